"""What a table, its columns and a kind of record are described by, and the columns that every record carries."""

from dataclasses import dataclass, field
from typing import Literal

Sensitivity = Literal["none", "normal", "personal", "sensitive"]

MONEY = "decimal(18,4)"
IDS = "map<string,array<string>>"


@dataclass(frozen=True)
class Column:
    """A column. `type` is Spark DDL; `required`: a row without it is refused."""

    name: str
    type: str
    comment: str
    sensitivity: Sensitivity = "normal"
    required: bool = False

    @property
    def told(self) -> str:
        """The comment that stands in the table's schema: meaning, unit, sensitivity."""
        return "; ".join(part for part in (self.comment, f"sensitivity: {self.sensitivity}") if part)


def told_sensitivity(comment: str) -> str:
    """The sensitivity that a column's comment tells, as `Column.told` writes it; one that tells none is sensitive."""
    return comment.rpartition("sensitivity: ")[2] if "sensitivity: " in comment else "sensitive"


@dataclass(frozen=True)
class Table:
    """A table at `<lakehouse>/<name>`; `key` names one row.

    `indexed`: on so many leading columns Delta keeps minima and maxima. They cost time to write and stand in
    the log in clear, so only what is filtered on and tells nothing of a person is counted in.
    `scattered`: columns with about as many values as rows. To list their values, as files do with others, is in vain.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    indexed: int = 0
    scattered: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}


# What is filtered and joined on stands first: Delta keeps statistics on the leading columns only.
COMMON_FIRST = (
    Column("_batch_date", "date", "business date of the run that took this version", "none", True),
    Column("_valid_to", "date", "business date from which another version, or its absence, replaces this one", "none"),
    Column("event_date", "date", "business day of event_at"),
    Column("event_at", "timestamp", "UTC; the entity's own time; NULL for reference entities"),
    Column("source", "string", "the source's name", "none", True),
    Column("record_id", "string", "source and key; stable", "personal", True),
    Column(
        "_node",
        "string",
        "the node of the identity graph that this record belongs to; NULL without identifiers",
        "personal",
    ),
)
COMMON_LAST = (
    Column("ids", IDS, "identifier type -> normalised values", "personal"),
    Column(
        "_hash", "bigint", "xxhash64 of the canonical columns, to tell a changed record from a repeated one", "none"
    ),
    Column("_file", "string", "the newest file it came in", "none"),
)


@dataclass(frozen=True)
class Entity:
    """What one kind of record holds, beside the common columns.

    `time` is the entity's own time (None for reference data: it has no moment).
    `changed` orders two versions of one record that came in files of one date, newest last.
    `granting`: a column that allows something; of two versions of one time the one that does not counts.
    `ranked`: the part of the key that is the rank within the rest of it where a source gives none.
    `made`: columns that its own rules fill where a source does not.
    `person`: each record describes one person, so it is a node of its own in the identity graph;
    other records are told apart only by the identifiers they give.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    time: str | None = None
    changed: str | None = None
    granting: str | None = None
    ranked: str | None = None
    made: tuple[str, ...] = ()
    person: bool = False
    automatic_ids: dict[str, str] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}

    @property
    def reference(self) -> bool:
        """It describes no person: nothing that happened, nobody's record, nothing that is kept up to date."""
        return not (self.person or self.time or self.changed or self.automatic_ids)

    def sensitivity(self, column: str) -> Sensitivity:
        """How sensitive a column's values are."""
        return next(known.sensitivity for known in self.columns if known.name == column)

    @property
    def table(self) -> Table:
        """silver/<entity>: every version of every record. A key that the source calls record_id is not told twice."""
        own = (column for column in self.columns if column.name != "record_id")
        columns = (*COMMON_FIRST, *own, *COMMON_LAST)
        return Table(f"silver/{self.name}", columns, key=("record_id", "_batch_date"), indexed=4)
