"""Whose members a role may know of: those of audiences that are cut by nothing that is kept from it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds

from jobs.lookups.seen import seen
from transforms.privacy import Role
from transforms.schemas import GOLD_AUDIENCE_MEMBER, GOLD_CAMPAIGN_MEMBER

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Tables that name members of audiences, and their columns that say of which night.
NIGHTS = {GOLD_AUDIENCE_MEMBER.name: "date", GOLD_CAMPAIGN_MEMBER.name: "since"}


@dataclass(frozen=True)
class KnownMembers:
    """The rows of one of the tables in NIGHTS that a role sees. `night`: its column; `keys`: `<date>/<audience>`."""

    night: str
    keys: frozenset[str]

    @property
    def rule(self) -> ds.Expression:
        """What is true of these rows alone."""
        if not self.keys:
            return pc.scalar(False)
        key = pc.binary_join_element_wise(pc.field(self.night).cast(pa.string()), pc.field("audience"), "/")
        return key.isin(pa.array(sorted(self.keys)))

    def of_spark(self, frame: "DataFrame") -> "DataFrame":
        """The same rows of a frame of the whole table."""
        from pyspark.sql import functions as F

        return frame.where(F.concat_ws("/", F.col(self.night).cast("string"), "audience").isin(sorted(self.keys)))


def known_members(table: str, role: Role, profile: pa.Schema, audiences: ds.Dataset) -> KnownMembers | None:
    """What the role sees of one of the tables in NIGHTS; None: all of it.

    `profile`: the schema of gold/customer_profile; `audiences`: gold/audience. Of an audience of which that does not
    say what it is cut by (none did before it had the column) no member is told.
    """
    clear = set(seen(profile, role).clear.names)
    if clear.issuperset(profile.names):
        return None
    night = NIGHTS[table]
    if any(role.shows(column, "none") != "allow" for column in (night, "audience")):
        return KnownMembers(night, frozenset())
    rows = audiences.to_table(["date", "audience", "cut_by"]).to_pylist()
    told = (row for row in rows if row["cut_by"] is not None and clear.issuperset(row["cut_by"]))
    return KnownMembers(night, frozenset(f"{row['date']}/{row['audience']}" for row in told))
