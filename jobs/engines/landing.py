"""A source's rows into bronze, in one commit. What is written is looked at: it may show that it is not whole."""

import functools
import operator
import re
from collections.abc import Iterable, Mapping
from functools import partial

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import Observation
from pyspark.sql import functions as F

from jobs.runtime import databases
from jobs.runtime.commits import Counted
from jobs.runtime.database_refusals import refusal
from jobs.runtime.extracts import bronze_table, of_night, read_extract
from jobs.runtime.files import ExtractFile, is_as_listed
from jobs.runtime.formats.delimited import unclosed
from jobs.runtime.formats.dialect import Dialect, can_break
from jobs.runtime.formats.landing import named
from jobs.runtime.formats.longest import LONGEST_RECORD
from jobs.runtime.formats.unpacked import is_utf8
from jobs.runtime.night import Night
from jobs.runtime.stores import remove_folder
from transforms.errors import DataError, DefinitionError
from transforms.expressions import names_in
from transforms.schemas import OPS_FILE
from transforms.sources.database import JDBC
from transforms.sources.definition import Source, compile_source
from transforms.sources.names import landed_names, raw_names

# Beyond this share of records with U+FFFD a file was written in another encoding than it is read in.
MOST_BROKEN_TEXT = 0.01
_MOST_PIECES = 64
_OPTIONAL = ("json", "xml")  # a record may leave a key out
_ODD_TEXT = r"[\x80-\x9f]|[\xa1-\xff]{6}|\xc3[\xa0-\xbf\u0152-\u2122]"
_UNREAD = re.compile(r"FAILED_READ_FILE|PATH_NOT_FOUND|EOFException|ZipException|not in gzip format|MALFORMED_CSV")
_FILE_IN_ERROR = re.compile(r"(?:reading file|path:?) '?(?:file:(?://)?)?([^\s'\"]+[^\s'\".,])")


class GoneError(DataError):
    """A column that the YAML uses is gone: the night stops before silver, whether or not the source is required."""


def land_files(night: Night, source: Source, files: list[ExtractFile]) -> int:
    """Land the files, in one commit, which is taken back where what was written is not whole. Gives the rows.

    Raises GoneError where a column is gone, DataError naming the file that refuses the extract.
    """
    scratch = f"{night.lakehouse.uri}/_landing/{source.source}"
    try:
        return _landed_rows(night, source, files, scratch)
    except (Py4JJavaError, PySparkException) as error:
        raise _unreadable(source, error) from None
    finally:
        remove_folder(scratch)


def _landed_rows(night: Night, source: Source, files: list[ExtractFile], scratch: str) -> int:
    remove_folder(scratch)  # what a run that died left
    known = _known_names(night, source)
    read = partial(read_extract, night.spark, source, day=night.day, ingested_at=night.started_at, known=known)
    newest = [file for file in files if file.file_date == files[-1].file_date]
    if len(newest) < len(files) and source.read.format not in _OPTIONAL:
        # what is gone now is not there for a late file that has it
        told = raw_names(read(newest, scratch=f"{scratch}/newest").schema)
        _check_used(source, list(told.values()), newest)
    raw = read(files, scratch=scratch)
    names = raw_names(raw.schema)
    _check_columns(night, source, list(names.values()), files, known)
    table = bronze_table(source, names)
    before = night.versions.get(table.name)
    seen = Observation(source.source)
    saved = night.save(raw, table, mode="append", counted=Counted(seen, _signs(source, list(names))))
    if seen.get["unclosed"]:
        # values hold line breaks, it seems: the reader that knows them decides, and refuses what is neither
        night.take_back(table, before, rows=saved.rows)
        return _landed_rows(night, source.with_options(multiline=True), files, scratch)
    if changed := next((file for file in files if not is_as_listed(file)), None):
        night.take_back(table, before, rows=saved.rows)
        raise DataError(f"source {source.source}: {changed.path}: changed while it was read; run the night again")
    told = seen.get
    if told["longest"]:
        night.take_back(table, before, rows=saved.rows)
        raise DataError(
            f"source {source.source}: {told['longest_in']}: has a record of {told['longest']:,} bytes, more than "
            f"{LONGEST_RECORD:,}: is a line end missing, or a quote never closed? Deliver it again"
        )
    share = (seen.get["broken"] or 0) / max(saved.rows, 1)
    if share > MOST_BROKEN_TEXT or (source.extract == "snapshot" and not saved.rows):
        night.take_back(table, before, rows=saved.rows)
        what = "is not in the encoding it is read in (read.options.encoding)" if share else "holds no record"
        raise DataError(f"source {source.source}: {seen.get['example'] or files[-1].path}: {what}; deliver it again")
    if (seen.get["odd"] or 0) > MOST_BROKEN_TEXT * saved.rows:
        night.warn(
            f"source {source.source}: {seen.get['odd_example']}: its text does not look like "
            f"{source.read.options['encoding']}; see whether read.options.encoding is right"
        )
    return saved.rows


def _known_names(night: Night, source: Source) -> dict[str, str]:
    """Raw name -> the name that the source's table has it under already."""
    held = f"bronze/{source.source}"
    return {raw: name for name, raw in raw_names(night.load(held).schema).items()} if night.has(held) else {}


def land_answer(night: Night, source: Source) -> tuple[int, databases.Mark | None, ExtractFile]:
    """Land what a database answers tonight. Gives the rows, how far it is read now, and what stands for the answer:
    it has no files, so one entry of ops/file does.

    Raises GoneError where a column is gone, DataError where the database refuses.
    """
    name = f"{JDBC}:{source.source}/{night.day}"
    stands_for = ExtractFile(path=name, name=name, size=0, modified_at=night.as_of, file_date=night.day)
    password = night.conf.secrets.get(source.read.password_variable or "")
    mark = _mark(night, source)
    try:
        answer = databases.ask(
            night.spark, source, password=password, mark=mark, name=name, day=night.day, as_of=night.as_of
        )
        return (*_write_answer(night, source, answer, stands_for, mark), stands_for)
    except (Py4JJavaError, PySparkException) as error:
        told = refusal(night.spark, source, error, password=password)
        if told is None:
            raise
        raise told from None


def _mark(night: Night, source: Source) -> databases.Mark | None:
    """How far earlier nights read a database: what the newest of them noted."""
    rows = [row for row in night.rows(OPS_FILE) if row["source"] == source.source and row.get("since")]
    newest = max(rows, key=lambda row: row["_batch_date"], default=None)
    return databases.Mark(newest["since"], newest["high"]) if newest else None


def _write_answer(
    night: Night, source: Source, answer: databases.Answer, stands_for: ExtractFile, earlier: databases.Mark | None
) -> tuple[int, databases.Mark | None]:
    """One commit. Gives the rows that landed, and how far the database is read now."""
    known = _known_names(night, source)
    landed = landed_names((name for name in answer.rows.columns if not name.startswith("_")), known)
    _check_columns(night, source, list(landed), [stands_for], known)
    seen = Observation(source.source)
    signs = [] if answer.high is None else [answer.high.alias("high")]
    rows = answer.rows.observe(seen, *_too_long(list(landed)), *signs)
    table = bronze_table(source, {name: raw for raw, name in landed.items()})
    before = night.versions.get(table.name)
    rows = named(rows.withColumnsRenamed(landed), landed)
    saved = night.save(of_night(rows, day=night.day, ingested_at=night.started_at), table, mode="append")
    told = seen.get
    if told["longest"]:
        night.take_back(table, before, rows=saved.rows)
        raise DataError(
            f"source {source.source}: {source.read.table or 'read.query'} gave a record of {told['longest']:,} bytes, "
            f"more than {LONGEST_RECORD:,}; leave out the column that is so long, by read.query"
        )
    if source.extract == "snapshot" and not saved.rows:
        night.take_back(table, before, rows=saved.rows)
        raise DataError(
            f"source {source.source}: {source.read.table or 'read.query'} gave no row, and a snapshot of nothing would "
            "close every record; if that is right, set when_missing: keep and extract: changes"
        )
    if answer.since is None:
        return saved.rows, None
    high = told["high"]
    if high is None and earlier and earlier.since == answer.since:
        high = earlier.high
    return saved.rows, databases.Mark(answer.since, high)


def _signs(source: Source, names: list[str]) -> list[SparkColumn]:
    """What to look for while an extract is written: characters that its encoding cannot have meant, open quotes."""
    broken = functools.reduce(operator.or_, (piece.contains("\ufffd") for piece in _pieces(names)), F.lit(False))
    # a reader of single bytes takes any text: another encoding shows as control characters, or long runs of accents
    odd = F.lit(False) if is_utf8(source) else _joined(names).rlike(_ODD_TEXT)
    told = source.read.format == "csv" and "multiline" not in source.read.options and can_break(Dialect.of(source))
    open_quotes = F.max(unclosed(Dialect.of(source))) if told else F.lit(None).cast("boolean")
    return [
        F.sum(F.when(broken, 1).otherwise(0)).alias("broken"),
        F.min(F.when(broken, F.col("_file"))).alias("example"),
        F.sum(F.when(odd, 1).otherwise(0)).alias("odd"),
        F.min(F.when(odd, F.col("_file"))).alias("odd_example"),
        open_quotes.alias("unclosed"),
        *_too_long(names),
    ]


def _joined(names: list[str]) -> SparkColumn:
    return F.concat_ws("", *(F.col(f"`{name}`") for name in names))


def _pieces(names: list[str]) -> list[SparkColumn]:
    """A record's text, in no more pieces than there is room for in generated code: where it can be, its columns as they
    stand, for to put them together costs more than to look at them."""
    size = max(1, -(-len(names) // _MOST_PIECES))
    groups = (names[at : at + size] for at in range(0, len(names), size))
    return [_joined(group) if size > 1 else F.col(f"`{group[0]}`") for group in groups]


def _too_long(names: list[str]) -> list[SparkColumn]:
    """The longest record that no night refines, and the file that it is in."""
    lengths = (F.coalesce(F.octet_length(piece), F.lit(0)) for piece in (*_pieces(names), F.col("_corrupt")))
    length = functools.reduce(operator.add, lengths)
    return [
        F.max(F.when(length > LONGEST_RECORD, length)).alias("longest"),
        F.min(F.when(length > LONGEST_RECORD, F.col("_file"))).alias("longest_in"),
    ]


def _check_columns(
    night: Night, source: Source, names: list[str], files: list[ExtractFile], known: Mapping[str, str]
) -> None:
    """Raise DataError where a column that the YAML uses is not in tonight's extract; tell of columns that appeared."""
    if not names and not known:
        raise DataError(f"source {source.source}: {files[-1].path}: holds no record, and none came before it")
    _check_used(source, names, files, set(known) if source.read.format in _OPTIONAL else ())
    appeared = sorted(set(names) - set(known)) if known else []
    if appeared:
        night.warn(f"source {source.source}: new columns {', '.join(appeared)}: landed, not used until its YAML does")


def _check_used(source: Source, names: list[str], files: list[ExtractFile], optional: Iterable[str] = ()) -> None:
    """Raise GoneError where the YAML uses a column that these files do not have."""
    try:
        compile_source(source, dict.fromkeys({*names, *optional}, "string"))
    except DefinitionError as error:
        told, read = "; ".join(error.lines), _columns_read(source)
        if names and not {name.lower() for name in names} & {name.lower() for name in read}:
            told = (
                f"source {source.source}: has none of the columns that {source.place} reads ({', '.join(read)}); "
                "see read.options: encoding, sep, header"
            )
        raise GoneError(f"{files[-1].path}: {told}") from None


def _columns_read(source: Source) -> list[str]:
    """The raw columns that the source's own expressions name; of canonical ones, those that may be raw too."""
    return sorted({name for text in (*source.columns.values(), *source.ids.values()) for name in names_in(text)})


def _unreadable(source: Source, error: Exception) -> DataError:
    message = str(getattr(error, "java_exception", error))
    if not _UNREAD.search(message):
        raise error
    match = _FILE_IN_ERROR.search(message)
    return DataError(
        f"source {source.source}: {match[1] if match else source.read.path}: cannot be read to its end "
        "(truncated, gone, or not what its name says); deliver it again"
    )
