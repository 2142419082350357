"""What an inference begins from, and the lines that it comes to."""

from dataclasses import dataclass
from datetime import date

from transforms.sources.infer.sample import Field


@dataclass(frozen=True)
class Known:
    """What is known beside the sample: the project's own settings, and the day that the sample's path names."""

    timezone: str | None = None
    currency: str | None = None
    identifiers: tuple[str, ...] = ()
    day: date | None = None


@dataclass(frozen=True)
class Line:
    """A key of the YAML with its expression. `doubt`: why it is not sure; `note`: what else there is to say.

    `reads`: the raw fields, `needs`: the canonical columns that it is made of.
    """

    name: str
    expression: str
    doubt: str = ""
    note: str = ""
    reads: tuple[Field, ...] = ()
    needs: frozenset[str] = frozenset()
