"""The survey tool's extract of answers: how likely people are to recommend the grocer, and how a delivery went."""

from datetime import date
from pathlib import Path

from jobs.demo.chance import generator
from jobs.demo.crm import delimited
from jobs.demo.damage import Damage, put, too_long, too_short, twice
from jobs.demo.dealings import Dealing, dealings, deliver, free, told_on
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.texts import TEXTS, TOPICS
from jobs.demo.truth import Truth

SOURCE = "surveys"
HEADER = "response;answered;survey;score;comment;email;card_no"
DAMAGES = (
    Damage("exact_duplicate", 0.01, twice),
    Damage("missing_key", 0.006, put(b";", 0, (b"",))),
    Damage("wrong_date", 0.006, put(b";", 1, (b"00/00/0000 00:00", b"31/02/2017 12:00", b"", b"soon"))),
    Damage("impossible_score", 0.006, put(b";", 3, (b"-1", b"-99"))),
    Damage("too_few_columns", 0.004, too_short(b";")),
    Damage("too_many_columns", 0.003, too_long(b";")),
)
_DAYS, _EACH = 180, 0.25
_DELIVERY = TOPICS.index("delivery")


def write_responses(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's answers to the extracts of all nights."""
    rng = generator(seed, "surveys", copy)
    told = dealings(free(people), nights, each=_EACH, days=_DAYS, rng=rng)
    draws = stream(rng)
    rows: dict[date, list[tuple[str, ...]]] = {night: [] for night in nights}
    for number, dealing in enumerate(told):
        key = f"R{copy}-{number:06d}"
        truth.person(SOURCE, key, dealing.person.key)
        rows[told_on(dealing.at, nights)].append((key, *_answer(dealing, draws)))
    for night in nights:
        lines = delimited(rows[night], ";")
        deliver(
            folder, "surveys", "responses.csv", night, lines, DAMAGES,
            copy=copy, seed=seed, truth=truth, header=HEADER.encode(),
        )  # fmt: skip


def _answer(dealing: Dealing, draws: Draws) -> tuple[str, ...]:
    """Who is content gives a high score and a kind word."""
    person = dealing.person
    mood = pick((0, 0, 0, 0, 1, 1, 2, 2), next(draws))  # as the texts are: good, bad, middling
    nps = next(draws) < 0.7
    scores = ((9, 10, 10), (0, 2, 4, 5, 6), (7, 8)) if nps else ((5, 5, 4), (1, 2), (3,))
    topic = int(next(draws) * len(TOPICS)) if nps else _DELIVERY
    comment = TEXTS[person.pool.language][topic][mood] if next(draws) < 0.6 else ""
    by_card = bool(person.card) and next(draws) < 0.35
    return (
        dealing.at.strftime("%d/%m/%Y %H:%M"), "nps_2017" if nps else "delivery_2017",
        str(pick(scores[mood], next(draws))), comment,
        "" if by_card else person.emails[0], str(person.card) if by_card else "",
    )  # fmt: skip
