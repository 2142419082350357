"""The service desk's extract of tickets, nested JSON lines: all on the first night, then those opened or closed."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from jobs.demo.chance import generator
from jobs.demo.damage import Damage, as_json, cut, twice, with_value, without
from jobs.demo.dealings import Dealing, dealings, deliver, free, moment, told_on
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.texts import TEXTS, TOPICS
from jobs.demo.truth import Truth

SOURCE = "service_tickets"
DAMAGES = (
    Damage("exact_duplicate", 0.008, twice),
    Damage("broken_line", 0.01, cut(0.1, 0.9)),
    Damage("missing_key", 0.006, without("id")),
    Damage("wrong_date", 0.006, with_value("opened", ("today", "2017-02-31T10:00:00-05:00", "", None))),
    Damage("closed_before_opened", 0.005, with_value("closed", ("2001-01-01T00:00:00-05:00",))),
)
_DAYS = 363
_EACH = 0.37
_HOURS = {"urgent": 4, "high": 24, "normal": 72, "low": 168}  # promised
_PRIORITIES = ("low", "normal", "normal", "normal", "normal", "high", "high", "urgent")
_CHANNELS = ("phone", "phone", "email", "email", "chat", "web form")
_QUICKLY, _SLOWLY, _SLOW = 30.0, 900.0, 0.12  # hours to a close on average, and the share of those that take long


@dataclass(frozen=True)
class Ticket:
    """A ticket with all that becomes of it, before and after the nights."""

    key: str
    person: Person
    opened: datetime
    closes: datetime
    channel: str
    priority: str
    topic: int
    rating: int | None
    text: str
    gives: dict[str, str]

    def as_known(self, until: datetime) -> bytes:
        """Its line as of a moment: nothing is told of what comes after."""
        closed = self.closes if self.closes < until else None
        hours = _HOURS[self.priority]
        sla: dict[str, object] = {"hours": hours}
        if closed:
            sla["met"] = closed - self.opened <= timedelta(hours=hours)
        return as_json(
            {
                "id": self.key,
                "opened": self.opened.isoformat(),
                "closed": closed.isoformat() if closed else None,
                "customer": self.gives,
                "channel": self.channel,
                "category": TOPICS[self.topic],
                "priority": self.priority,
                "status": "Closed" if closed else "Open",
                "rating": self.rating if closed else None,
                "sla": sla,
                "message": self.text,
                "tags": [TOPICS[self.topic]],
            }
        )


def write_tickets(
    folder: Path, people: list[Person], nights: tuple[date, ...], *, copy: int, seed: int, truth: Truth
) -> None:
    """Add one copy's tickets to the extracts of all nights."""
    rng = generator(seed, "tickets", copy)
    told = dealings(free(people), nights, each=_EACH, days=_DAYS, rng=rng)
    draws = stream(rng)
    tickets = [_ticket(f"T{copy}-{number:06d}", dealing, draws) for number, dealing in enumerate(told)]
    for ticket in tickets:
        truth.person(SOURCE, ticket.key, ticket.person.key)
    for night in nights:
        end = moment(night + timedelta(days=1), 0)
        news = [
            ticket for ticket in tickets if night in (told_on(ticket.opened, nights), told_on(ticket.closes, nights))
        ]
        lines = [ticket.as_known(end) for ticket in news if ticket.opened < end]
        deliver(folder, "tickets", "tickets.jsonl", night, lines, DAMAGES, copy=copy, seed=seed, truth=truth)


def _ticket(key: str, dealing: Dealing, draws: Draws) -> Ticket:
    person = dealing.person
    topic = int(next(draws) * len(TOPICS))
    priority = pick(_PRIORITIES, next(draws))
    slow = next(draws) < _SLOW
    hours = 0.2 + (_SLOWLY if slow else _QUICKLY) * next(draws) ** 2 * 3
    return Ticket(
        key=key, person=person, opened=dealing.at, closes=dealing.at + timedelta(seconds=int(hours * 3600)),
        channel=pick(_CHANNELS, next(draws)), priority=priority, topic=topic,
        rating=_rating(hours <= _HOURS[priority], next(draws)) if next(draws) < 0.4 else None,
        text=TEXTS[person.pool.language][topic][pick((1, 1, 1, 1, 1, 2, 2, 0), next(draws))],
        gives=_gives(person, next(draws)),
    )  # fmt: skip


def _rating(in_time: bool, draw: float) -> int:
    return pick((5, 5, 4, 4, 3) if in_time else (1, 1, 2, 3, 4), draw)


def _gives(person: Person, draw: float) -> dict[str, str]:
    """How the customer is known to the desk: always by an address or a number; some were looked up in the CRM."""
    found = {"email": person.emails[0]} if draw < 0.65 else {"phone": person.phones[0]}
    if draw < 0.3 or 0.65 <= draw < 0.8:
        found["phone"] = person.phones[0]
    if person.has_crm and int(draw * 100) % 3 == 0:
        found["crm_id"] = person.contact_id
    return found
