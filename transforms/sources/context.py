"""What an entity's rules may ask for beside the rows."""

from dataclasses import dataclass
from datetime import date

from transforms.sources.standard.divisions import Divisions
from transforms.sources.standard.money import Rates


@dataclass(frozen=True)
class Context:
    """The night's day and settings, and the references that the user supplies.

    `few`: so few rows that what helps with many (finding distinct values, joining back) costs more than it saves.
    """

    day: date
    timezone: str
    base_currency: str
    rates: Rates | None = None
    divisions: Divisions | None = None
    few: bool = False
