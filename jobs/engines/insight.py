"""A group of customers beside everyone, or beside another group, over the profile's columns."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds

from transforms.errors import DefinitionError
from transforms.insight import counts
from transforms.insight.tags import MISSING, Sides, TagInsight, corrected, of_numbers, of_values

# So many columns are held at a time: of a million customers some 400 MB.
BATCH = 50


@dataclass(frozen=True)
class Compared:
    """What was found. `other`: customers of the other group; None: everyone is the base."""

    size: int
    base_size: int
    tags: list[TagInsight]


def members(released: ds.Dataset, tonight: ds.Expression) -> pa.Table:
    """customer_id of an audience's members, both arms. `released`: gold/audience_member, its texts as dictionaries;
    `tonight`: what is true of the audience's rows of the night."""
    return released.to_table(["customer_id"], filter=tonight).cast(pa.schema([("customer_id", pa.string())]))


def compare(
    profile: ds.Dataset, columns: Sequence[str], group: pa.Table, other: pa.Table | None, *, smallest: int,
    timezone: str,
) -> Compared:  # fmt: skip
    """`group`, and `other` where it is not against everyone (see `apart`): tables of customer_id, each known and there
    once. `timezone`: the business's, in which a time has its day."""
    people = counts.people(profile.to_table(["customer_id"])["customer_id"], group, other)
    sides = Sides(*people.sizes, within=other is None)
    tell = partial(_told, people=people, sides=sides, smallest=smallest, timezone=timezone)
    found: list[TagInsight] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(columns), BATCH):
            part = profile.to_table(list(columns[start : start + BATCH]))  # in the order of the customers above
            found += pool.map(tell, part.column_names, part.columns)
    return Compared(sides.size, sides.base_size, corrected(found))


def apart(one: pa.Table, other: pa.Table, named: str, *, smallest: int) -> tuple[pa.Table, pa.Table, int]:
    """Those of one audience alone, those of the other alone, and how many are in both and so tell nothing.

    Where so few are in both that the audiences' own counts would tell of them, they stay on both sides (and 0 are said
    to be in both). Raises DefinitionError where fewer than `smallest` are in one alone.
    """
    in_other, in_one = (
        pc.is_in(group["customer_id"], value_set=rest["customer_id"].combine_chunks())
        for group, rest in ((one, other), (other, one))
    )
    alone = one.filter(pc.invert(in_other)), other.filter(pc.invert(in_one))
    if any(group.num_rows < smallest for group in alone):
        raise DefinitionError(
            f"{named}: fewer than {smallest} customers are in one of them and not in the other: nothing is told of so "
            "few (smallest_group in conf/privacy.yml)"
        )
    shared = one.num_rows - alone[0].num_rows
    return (*alone, shared) if shared >= smallest else (one, other, 0)


def _told(
    column: str, values: pa.ChunkedArray, *, people: counts.People, sides: Sides, smallest: int, timezone: str
) -> TagInsight:
    kind = counts.kind_of(values.type)
    if counts.is_number(values.type):
        found = counts.numbers(values, people, timezone=timezone)
        return of_numbers(
            column, kind, found.ends, found.counts, found.missing, found.medians, sides, smallest=smallest
        )  # fmt: skip
    by_value, missing = counts.by_value(values, people)
    exclusive = not pa.types.is_nested(values.type)
    return of_values(column, kind, {**by_value, MISSING: missing}, sides, smallest=smallest, exclusive=exclusive)
