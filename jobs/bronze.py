"""Bronze: what landed, unchanged. Takes the files that were not taken yet; a source lands whole or not at all."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import Observation
from pyspark.sql import functions as F

from jobs.runtime.extracts import bronze_table, read_extract
from jobs.runtime.files import ExtractFile, check_whole, files_of, to_take
from jobs.runtime.formats.delimited import unclosed
from jobs.runtime.formats.dialect import Dialect
from jobs.runtime.formats.unpacked import clean, is_utf8
from jobs.runtime.night import Night
from transforms.errors import DataError, DefinitionError
from transforms.schemas import OPS_FILE
from transforms.sources.definition import Source, compile_source
from transforms.sources.names import raw_names

AT_ONCE = 3
# Beyond this share of records with U+FFFD a file was written in another encoding than it is read in.
MOST_BROKEN_TEXT = 0.01
_ODD_TEXT = r"[\x80-\x9f]|[\xa1-\xff]{6}|\xc3[\xa0-\xbf\u0152-\u2122]"
_FILE_IN_ERROR = re.compile(r"(?:reading file|path:?) '?(?:file:)?([^\s'\"]+[^\s'\".,])")


@dataclass
class Landed:
    """What became of one source tonight."""

    source: Source
    files: list[ExtractFile] = field(default_factory=list)
    rows: int = 0
    refused: str | None = None
    missing: str | None = None


def run(night: Night) -> None:
    """Land every source's new files. Raises DataError where a required source is missing or refused."""
    taken = _taken(night)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        landed = list(pool.map(lambda source: _land(night, source, taken), night.conf.sources.values()))
    _tell(night, landed)
    night.append(OPS_FILE, [_record(night, item.source, file) for item in landed for file in item.files])


def _taken(night: Night) -> dict[str, dict[str, int]]:
    """Source -> name -> size of the files taken by earlier nights."""
    taken: dict[str, dict[str, int]] = {}
    for row in night.rows(OPS_FILE):
        taken.setdefault(row["source"], {})[row["path"]] = row["size"]
    return taken


def _land(night: Night, source: Source, taken: dict[str, dict[str, int]]) -> Landed:
    before = taken.get(source.source, {})
    pattern = night.conf.resolve(source.read.path)
    files = files_of(source, pattern)
    for file in files:
        if before.get(file.name, file.size) != file.size:
            night.warn(f"source {source.source}: {file.path} changed after it was taken; it is not taken again")
    new = to_take(source, files, set(before), day=night.day)
    result = Landed(source)
    if not any(file.file_date == night.day for file in new):
        result.missing = pattern.replace("{date}", night.day.isoformat())
    if not new or (result.missing and source.read.required):
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
    held = f"bronze/{source.source}"
    known = {raw: name for name, raw in raw_names(night.load(held).schema).items()} if night.has(held) else {}
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
        raise _GoneError(f"{files[-1].path}: " + "; ".join(error.lines)) from None
    appeared = sorted(set(names) - set(known)) if known else []
    if appeared:
        night.warn(f"source {source.source}: new columns {', '.join(appeared)}: landed, not used until its YAML does")


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
        elif item.missing and item.source.read.required:
            raise DataError(
                f"source {name}: no extract for {night.day}: {item.missing} matches no file; "
                "deliver it, or set read.required: false"
            )
        elif item.missing and item.source.extract != "snapshot":
            night.warn(f"source {name}: no extract for {night.day}; the night goes on without it")
    night.figure("landed", {item.source.source: item.rows for item in landed if item.files})
    night.figure("files", {item.source.source: len(item.files) for item in landed if item.files})
    night.figure("refused", {item.source.source: item.refused for item in landed if item.refused})


def _record(night: Night, source: Source, file: ExtractFile) -> dict[str, object]:
    return {**vars(file), "path": file.name, "source": source.source, "_batch_date": night.day}


if __name__ == "__main__":
    from jobs.cli import stage_main

    stage_main("bronze")
