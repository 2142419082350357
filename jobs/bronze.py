"""Bronze: what landed, unchanged. Takes the files that were not taken yet; a source lands whole or not at all."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import Observation
from pyspark.sql import functions as F

from jobs.runtime import databases
from jobs.runtime.database_refusals import refusal
from jobs.runtime.extracts import bronze_table, of_night, read_extract
from jobs.runtime.files import ExtractFile, check_whole, checksum, files_of, is_as_taken, signature, to_take
from jobs.runtime.formats.delimited import unclosed
from jobs.runtime.formats.dialect import Dialect
from jobs.runtime.formats.landing import named
from jobs.runtime.formats.unpacked import clean, is_utf8
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import DataError, DefinitionError
from transforms.expressions import names_in
from transforms.schemas import OPS_FILE
from transforms.sources.database import JDBC
from transforms.sources.definition import Source, compile_source
from transforms.sources.names import landed_names, raw_names

AT_ONCE = 3
# Beyond this share of records with U+FFFD a file was written in another encoding than it is read in.
MOST_BROKEN_TEXT = 0.01
# Source -> name -> the row of ops/file that an earlier night wrote.
Taken = dict[str, dict[str, dict[str, Any]]]
_ODD_TEXT = r"[\x80-\x9f]|[\xa1-\xff]{6}|\xc3[\xa0-\xbf\u0152-\u2122]"
_FILE_IN_ERROR = re.compile(r"(?:reading file|path:?) '?(?:file:)?([^\s'\"]+[^\s'\".,])")


@dataclass
class Landed:
    """What became of one source tonight.

    `offered`: what tells its files from others. `rewritten`: files of earlier nights, written since but not changed.
    """

    source: Source
    offered: str = ""
    rewritten: list[ExtractFile] = field(default_factory=list)
    files: list[ExtractFile] = field(default_factory=list)
    rows: int = 0
    refused: str | None = None
    missing: str | None = None
    mark: databases.Mark | None = None


def run(night: Night) -> None:
    """Land every source's new files. Raises DataError where a required source is missing or refused."""
    taken = _taken(night)
    _check_required(night, taken)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        landed = list(pool.map(lambda source: _land(night, source, taken), night.conf.sources.values()))
    _tell(night, landed)
    _note_files(night, landed, taken)


def _check_required(night: Night, taken: Taken) -> None:
    """Raise DataError where a required source has no extract of tonight, before minutes are spent on the others."""
    for name, source in night.conf.sources.items():
        if source.read.required and source.read.format != JDBC:
            _, new = _new_files(night, source, taken.get(name, {}))
            if not any(file.file_date == night.day for file in new):
                raise DataError(
                    f"source {name}: no extract for {night.day}: {_expected(night, source)} matches no file; "
                    "deliver it, or set read.required: false"
                )


def _expected(night: Night, source: Source) -> str:
    return night.conf.resolve(source.read.path).replace("{date}", night.day.isoformat())


def has_new_files(night: Night, figures: Mapping[str, Any]) -> bool:
    """Would bronze take other files now than it took in this run, by the figures that it left?

    So a file that is delivered anew after a night has failed is taken when that night is run again.
    """
    offered = figures.get("offered")
    if offered is None:
        return False
    taken = _taken(night)
    return any(
        signature(_new_files(night, source, taken.get(name, {}))[1]) != offered.get(name)
        for name, source in night.conf.sources.items()
        if source.read.format != JDBC
    )


def _taken(night: Night) -> Taken:
    """The files that earlier nights took."""
    taken: Taken = {}
    for row in night.rows(OPS_FILE):
        taken.setdefault(row["source"], {})[row["path"]] = row
    return taken


def _new_files(
    night: Night, source: Source, before: Mapping[str, Mapping[str, Any]]
) -> tuple[list[ExtractFile], list[ExtractFile]]:
    """All files of a source that lie there, and those that tonight takes."""
    files = files_of(source, night.conf.resolve(source.read.path))
    dates = {name: row["file_date"] for name, row in before.items()}
    return files, to_take(source, files, dates, day=night.day)


def _land(night: Night, source: Source, taken: Taken) -> Landed:
    if source.read.format == JDBC:
        return _land_answer(night, source)
    before = taken.get(source.source, {})
    files, new = _new_files(night, source, before)
    result = Landed(source, signature(new), _rewritten(night, source, files, before))
    _tell_of_late(night, source, (file for file in files if file not in new and file.name not in before))
    if not any(file.file_date == night.day for file in new):
        result.missing = _expected(night, source)
    if not new:
        return result
    try:
        check_whole(source, new)
        result.rows = _write(night, source, new)
        result.files = new
    except _GoneError:
        raise
    except DataError as error:
        result.refused = str(error)
    return result


def _tell_of_late(night: Night, source: Source, left: Iterable[ExtractFile]) -> None:
    """Warn of files that came since the last release and that no night will take."""
    for file in left:
        if file.file_date < night.day and night.base and file.modified_at > night.base.released_at:
            night.warn(
                f"source {source.source}: {file.path} came too late: it is of {file.file_date}, and is not taken "
                "(read.lookback; a snapshot must be newer than the one taken last)"
            )


def _rewritten(
    night: Night, source: Source, files: Iterable[ExtractFile], before: Mapping[str, Mapping[str, Any]]
) -> list[ExtractFile]:
    """Files that were written since they were taken, with the bytes that were taken. Tells of those with others."""
    rewritten = []
    for file in files:
        known = before.get(file.name)
        if known is None:
            continue
        if not is_as_taken(file, known):
            night.warn(
                f"source {source.source}: {file.path} changed after it was taken; it is not taken again "
                "(deliver what it holds now under another name)"
            )
        elif file.modified_at != known["modified_at"]:
            rewritten.append(file)
    return rewritten


def _write(night: Night, source: Source, files: list[ExtractFile]) -> int:
    """One commit. Where what was written shows that the extract is not whole, the commit is taken back."""
    scratch = f"{night.lakehouse.uri}/_landing/{source.source}"
    try:
        return _landed_rows(night, source, files, scratch)
    except (Py4JJavaError, PySparkException) as error:
        raise _unreadable(source, error) from None
    finally:
        clean(scratch)


def _landed_rows(night: Night, source: Source, files: list[ExtractFile], scratch: str) -> int:
    clean(scratch)  # what a run that died left
    known = _known_names(night, source)
    raw = read_extract(
        night.spark, source, files, day=night.day, ingested_at=night.started_at, scratch=scratch, known=known
    )
    names = raw_names(raw.schema)
    _check_columns(night, source, list(names.values()), files, known)
    table = bronze_table(source, names)
    before = night.versions.get(table.name)
    seen = Observation(source.source)
    saved = night.save(raw.observe(seen, *_signs(source, list(names))), table, mode="append")
    if seen.get["unclosed"]:
        # values hold line breaks, it seems: the reader that knows them decides, and refuses what is neither
        night.take_back(table, before)
        return _landed_rows(night, source.with_options(multiline=True), files, scratch)
    share = (seen.get["broken"] or 0) / max(saved.rows, 1)
    if share > MOST_BROKEN_TEXT or (source.extract == "snapshot" and not saved.rows):
        night.take_back(table, before)
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


def _land_answer(night: Night, source: Source) -> Landed:
    """What a database answers tonight. It has no files: one entry of ops/file stands for the whole answer."""
    name = f"{JDBC}:{source.source}/{night.day}"
    stands_for = ExtractFile(path=name, name=name, size=0, modified_at=night.as_of, file_date=night.day)
    password = night.conf.secrets.get(source.read.password_variable or "")
    mark, result = _mark(night, source), Landed(source)
    try:
        answer = databases.ask(
            night.spark, source, password=password, mark=mark, name=name,
            day=night.day, as_of=night.as_of,
        )  # fmt: skip
        result.rows, result.mark = _write_answer(night, source, answer, stands_for, mark)
        result.files = [stands_for]
    except _GoneError:
        raise
    except DataError as error:
        result.refused = str(error)
    except (Py4JJavaError, PySparkException) as error:
        told = refusal(night.spark, source, error, password=password)
        if told is None:
            raise
        result.refused = str(told)
    return result


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
    rows = answer.rows if answer.high is None else answer.rows.observe(seen, answer.high.alias("high"))
    table = bronze_table(source, {name: raw for raw, name in landed.items()})
    before = night.versions.get(table.name)
    rows = named(rows.withColumnsRenamed(landed), landed)
    saved = night.save(of_night(rows, day=night.day, ingested_at=night.started_at), table, mode="append")
    if source.extract == "snapshot" and not saved.rows:
        night.take_back(table, before)
        raise DataError(
            f"source {source.source}: {source.read.table or 'read.query'} gave no row, and a snapshot of nothing would "
            "close every record; if that is right, set when_missing: keep and extract: changes"
        )
    if answer.since is None:
        return saved.rows, None
    high = seen.get["high"]
    if high is None and earlier and earlier.since == answer.since:
        high = earlier.high
    return saved.rows, databases.Mark(answer.since, high)


def _signs(source: Source, names: list[str]) -> list[SparkColumn]:
    """What to look for while an extract is written: characters that its encoding cannot have meant, open quotes."""
    text = F.concat_ws("", *(F.col(f"`{name}`") for name in names))
    broken = text.contains("\ufffd")
    # a reader of single bytes takes any text: another encoding shows as control characters, or long runs of accents
    odd = F.lit(False) if is_utf8(source) else text.rlike(_ODD_TEXT)
    told = source.read.format == "csv" and "multiline" not in source.read.options
    open_quotes = F.max(unclosed(Dialect.of(source))) if told else F.lit(None).cast("boolean")
    return [
        F.sum(F.when(broken, 1).otherwise(0)).alias("broken"),
        F.min(F.when(broken, F.col("_file"))).alias("example"),
        F.sum(F.when(odd, 1).otherwise(0)).alias("odd"),
        F.min(F.when(odd, F.col("_file"))).alias("odd_example"),
        open_quotes.alias("unclosed"),
    ]


def _check_columns(
    night: Night, source: Source, names: list[str], files: list[ExtractFile], known: Mapping[str, str]
) -> None:
    """Raise DataError where a column that the YAML uses is not in tonight's extract; tell of columns that appeared."""
    optional = set(known) if source.read.format in ("json", "xml") else set()  # a record may leave a key out
    if not names and not known:
        raise DataError(f"source {source.source}: {files[-1].path}: holds no record, and none came before it")
    try:
        compile_source(source, dict.fromkeys({*names, *optional}, "string"))
    except DefinitionError as error:
        told, read = "; ".join(error.lines), _columns_read(source)
        if names and not {name.lower() for name in names} & {name.lower() for name in read}:
            told = (
                f"source {source.source}: has none of the columns that {source.place} reads ({', '.join(read)}); "
                "see read.options: encoding, sep, header"
            )
        raise _GoneError(f"{files[-1].path}: {told}") from None
    appeared = sorted(set(names) - set(known)) if known else []
    if appeared:
        night.warn(f"source {source.source}: new columns {', '.join(appeared)}: landed, not used until its YAML does")


def _columns_read(source: Source) -> list[str]:
    """The raw columns that the source's own expressions name; of canonical ones, those that may be raw too."""
    return sorted({name for text in (*source.columns.values(), *source.ids.values()) for name in names_in(text)})


class _GoneError(DataError):
    """A column that the YAML uses is gone: the night stops before silver, whether or not the source is required."""


def _unreadable(source: Source, error: Exception) -> DataError:
    message = str(getattr(error, "java_exception", error))
    if not re.search(r"FAILED_READ_FILE|EOFException|ZipException|not in gzip format|MALFORMED_CSV", message):
        raise error
    match = _FILE_IN_ERROR.search(message)
    return DataError(
        f"source {source.source}: {match[1] if match else source.read.path}: cannot be read to its end "
        "(truncated or not what its name says); deliver it again"
    )


def _tell(night: Night, landed: list[Landed]) -> None:
    """Stop on what must not be missing; say the rest."""
    for item in landed:
        name = item.source.source
        if item.refused and item.source.read.required:
            raise DataError(item.refused)
        if item.refused:
            night.warn(f"{item.refused}; nothing of {name} landed tonight")
        elif item.missing and item.source.extract != "snapshot":
            night.warn(f"source {name}: no extract for {night.day}; the night goes on without it")
    night.figure("landed", {item.source.source: item.rows for item in landed if item.files})
    night.figure("files", {item.source.source: len(item.files) for item in landed if item.files})
    night.figure("offered", {item.source.source: item.offered for item in landed})
    night.figure("refused", {item.source.source: item.refused for item in landed if item.refused})


def _note_files(night: Night, landed: Iterable[Landed], taken: Taken) -> None:
    """ops/file: what tonight took, and the new times of files that were copied, so that none is read for it again."""
    new = [_record(night, item, file) for item in landed for file in item.files]
    copied = [(item.source.source, file) for item in landed for file in item.rewritten]
    if not copied:
        night.append(OPS_FILE, new)
        return
    for source, file in copied:
        row = taken[source][file.name]
        row.update(modified_at=file.modified_at, checksum=row.get("checksum") or checksum(file))
    rows = [*(row for files in taken.values() for row in files.values()), *new]
    night.save(pa.Table.from_pylist(rows, arrow_schema(OPS_FILE)), OPS_FILE)


def _record(night: Night, item: Landed, file: ExtractFile) -> dict[str, object]:
    told = {**vars(file), "path": file.name, "source": item.source.source, "_batch_date": night.day}
    if item.source.read.format == JDBC:
        return told | (vars(item.mark) if item.mark else {})
    return {**told, "checksum": checksum(file)}


if __name__ == "__main__":
    from jobs.cli import stage_main

    stage_main("bronze")
