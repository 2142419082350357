"""What the staff note of visits, calls and events, as a tab-separated extract."""

from datetime import date
from pathlib import Path

from jobs.demo.chance import generator
from jobs.demo.crm import delimited
from jobs.demo.damage import Damage, put, too_long, too_short, twice
from jobs.demo.dealings import Dealing, dealings, deliver, free, told_on
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.texts import TOPICS
from jobs.demo.truth import Truth

SOURCE = "interactions"
HEADER = ("entry", "at", "by", "what", "note", "card_no", "phone", "email")
DAMAGES = (
    Damage("exact_duplicate", 0.008, twice),
    Damage("missing_key", 0.005, put(b"\t", 0, (b"",))),
    Damage("wrong_date", 0.005, put(b"\t", 1, (b"0000-00-00 00:00:00", b"2017-02-31 12:00:00", b"", b"noon"))),
    Damage("too_few_columns", 0.004, too_short(b"\t")),
    Damage("too_many_columns", 0.003, too_long(b"\t")),
)
_DAYS, _EACH = 363, 0.75
_EVENTS = ("Wine tasting", "Cooking class", "Pumpkin carving", "Opening of the new bakery")
_INTERVIEWS = ("How do you plan a week's meals?", "What would make you shop online?")


def write_interactions(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's notes to the extracts of all nights."""
    rng = generator(seed, "interactions", copy)
    told = dealings(free(people), nights, each=_EACH, days=_DAYS, rng=rng)
    draws = stream(rng)
    rows: dict[date, list[tuple[str, ...]]] = {night: [] for night in nights}
    for number, dealing in enumerate(told):
        key = f"I{copy}-{number:06d}"
        truth.person(SOURCE, key, dealing.person.key)
        rows[told_on(dealing.at, nights)].append((key, *_note(dealing, draws)))
    for night in nights:
        lines = delimited(rows[night], "\t")
        deliver(
            folder, "interactions", "notes.tsv", night, lines, DAMAGES,
            copy=copy, seed=seed, truth=truth, header="\t".join(HEADER).encode(),
        )  # fmt: skip


def _note(dealing: Dealing, draws: Draws) -> tuple[str, ...]:
    """A visit is known by the card where there is one, a call by its number, the rest by the address given."""
    person, draw = dealing.person, next(draws)
    at = dealing.at.strftime("%Y-%m-%d %H:%M:%S")
    if draw < 0.45:
        way = pick(("Called about", "Calls back about", "Was called about"), next(draws))
        return (at, "Phone", "call", f"{way} {pick(TOPICS, next(draws))}", "", person.phones[0], "")
    if draw < 0.8:
        return (at, "Store", "visit", f"At the desk: {pick(TOPICS, next(draws))}", *_card_or_email(person))
    if draw < 0.95:
        return (at, "Store", "event", pick(_EVENTS, next(draws)), *_card_or_email(person))
    return (at, "Video", "interview", pick(_INTERVIEWS, next(draws)), "", "", person.emails[0])


def _card_or_email(person: Person) -> tuple[str, str, str]:
    return (str(person.card), "", "") if person.card else ("", "", person.emails[0])
