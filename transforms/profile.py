"""The wide profile: one row a known customer, one column an output of each tag that is online."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from transforms.schemas import Column, Table
from transforms.tags.foretold import scattered

if TYPE_CHECKING:  # `portrait validate` asks for the profile's columns and must not pay for importing Spark
    from pyspark.sql import DataFrame

    from transforms.tags.definition import Tag

PROFILE = "gold/customer_profile"
_CUSTOMER = Column("customer_id", "string", "the known customer; pseudonymous, kept for life", "normal", True)
_AS_OF = Column("as_of", "timestamp", "UTC; the end of the business day that the row describes", "none", True)
_RUN_ID = Column("run_id", "string", "the run that computed the row", "none", True)
NOT_TAGS = (_CUSTOMER.name, _AS_OF.name, _RUN_ID.name)


def online(tags: Mapping[str, "Tag"]) -> list["Tag"]:
    """The tags that the profile shows, in its stable order: category folder, then name."""
    shown = (tag for tag in tags.values() if tag.status == "online")
    return sorted(shown, key=lambda tag: (PurePosixPath(tag.place).parent.parts, tag.tag))


def profile_table(tags: Mapping[str, "Tag"]) -> Table:
    """gold/customer_profile as these tags make it. Grain: known customer.

    A tag's outputs stand together, in the order in which the tag gives them; every column is commented.
    """
    shown = list(online(tags))
    columns = (_CUSTOMER, *(output for tag in shown for output in tag.outputs), _AS_OF, _RUN_ID)
    return Table(PROFILE, columns, key=("customer_id",), scattered=scattered(shown))


def tag_of_column(tags: Mapping[str, "Tag"]) -> dict[str, "Tag"]:
    """Profile column -> the tag that gives it."""
    return {output.name: tag for tag in online(tags) for output in tag.outputs}


def profile(
    known: "DataFrame", tag_frames: Iterable["DataFrame"], *, table: Table, as_of: datetime, run_id: str
) -> "DataFrame":
    """The profile of the known customers. Grain: known customer.

    `known` has a `customer_id` a known customer; each tag frame one row a customer at most, known or not.
    A tag that no frame brings (its sources never came) is NULL.
    """
    from pyspark.sql import functions as F

    from transforms.columns import conform

    def with_tags(rows: "DataFrame", tags: "DataFrame") -> "DataFrame":
        wanted = [name for name in tags.columns if name in table.names and name not in NOT_TAGS]
        return rows.join(tags.select("customer_id", *wanted), "customer_id", "left") if wanted else rows

    wide = reduce(with_tags, tag_frames, known.select("customer_id"))
    return conform(wide.withColumns({"as_of": F.lit(as_of), "run_id": F.lit(run_id)}), table)
