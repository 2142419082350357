"""What others' rows say of an erased person made unreadable, in the columns that hold what people write."""

from collections.abc import Collection, Mapping
from functools import partial

from deltalake import DeltaTable

from jobs.engines.search import Search
from jobs.runtime.configuration import Configuration
from jobs.runtime.rewriting import take_out
from jobs.runtime.tables import Lakehouse
from transforms.erasure import WRITTEN
from transforms.expressions import names_in
from transforms.profile import PROFILE
from transforms.sources.definition import Source
from transforms.sources.names import raw_names

_CORRUPT = "_corrupt"  # a record as a text, which nothing reads columns of


def blot(
    conf: Configuration, lakehouse: Lakehouse, versions: Mapping[str, int], search: Search, found: Collection[str]
) -> dict[str, int]:
    """The versions of the state's tables once the texts in those data files are blotted out; the same for the others.

    A key, an identifier or a value that something is computed from stays: it is another's, and like the person's.
    """
    blotted = dict(versions)
    for table, version in versions.items():
        files = {f"{lakehouse.path(table)}/{file}" for file in lakehouse.files(table, version)} & set(found)
        opened = lakehouse.open(table, version) if files else None
        if opened is not None:
            columns = written_in(conf, table, opened)
            held = {file for file in files if search.in_columns(file, columns)}
            edit = partial(search.blot, columns=columns)
            blotted[table] = take_out(lakehouse, table, version, dict.fromkeys(held, ()), edit)
    return blotted


def written_in(conf: Configuration, table: str, opened: DeltaTable) -> frozenset[str]:
    """The columns of a table that hold what people write, or what a tag made of it."""
    layer, _, name = table.partition("/")
    if layer == "bronze":
        return _written_as_landed(conf.sources.get(name), opened)
    if layer == "tag" or table == PROFILE:
        return frozenset(field.name for field in opened.schema().fields) - {"customer_id"}
    return WRITTEN


def _written_as_landed(source: Source | None, opened: DeltaTable) -> frozenset[str]:
    """Of bronze: those that nothing but such columns are made from."""
    if source is None:
        return frozenset({_CORRUPT})
    read = [expression for column, expression in source.expressions.items() if column not in WRITTEN]
    used = {name.casefold() for text in [*read, *source.ids.values(), source.where or ""] for name in names_in(text)}
    landed = raw_names(opened.schema()).items()
    return frozenset({_CORRUPT} | {name for name, raw in landed if not {name.casefold(), raw.casefold()} & used})
