"""Bronze: what landed, unchanged. Takes the files that were not taken yet; a source lands whole or not at all."""

if __name__ == "__main__":  # first of all: stage_main takes this folder off the path of Python
    from jobs.cli import stage_main

    stage_main("bronze")

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jobs.engines.landing import GoneError, land_answer, land_files
from jobs.runtime import databases
from jobs.runtime.files import ExtractFile, check_whole, checksum, cut_short, files_of, is_as_taken, signature, to_take
from jobs.runtime.formats.unpacked import is_packed
from jobs.runtime.night import Night
from jobs.runtime.tables import arrow_schema
from transforms.errors import DataError
from transforms.schemas import OPS_FILE
from transforms.sources.database import JDBC
from transforms.sources.definition import Source

AT_ONCE = 3
# Formats whose every record ends with a line end, the last one too as a rule. Of JSON whole documents have none.
_ENDED = ("csv", "access_log")
# Source -> name -> the row of ops/file that an earlier night wrote.
Taken = dict[str, dict[str, dict[str, Any]]]
# All files of a source that lie there, and those that tonight takes.
Listed = tuple[list[ExtractFile], list[ExtractFile]]


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
    required = _check_required(night, taken)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        landed = list(pool.map(lambda source: _land(night, source, taken, required), night.conf.sources.values()))
    _tell(night, landed)
    _note_files(night, landed, taken)


def _check_required(night: Night, taken: Taken) -> dict[str, Listed]:
    """Raise DataError where a required source has no extract of tonight, before minutes are spent on the others.

    Gives what was found of each required source.
    """
    found = {}
    for name, source in night.conf.sources.items():
        if source.read.required and source.read.format != JDBC:
            found[name] = _new_files(night, source, taken.get(name, {}))
            if not any(file.file_date == night.day for file in found[name][1]):
                raise DataError(
                    f"source {name}: no extract for {night.day}: {_expected(night, source)} matches no file; "
                    "deliver it, or set read.required: false"
                )
            check_whole(source, found[name][1])
    return found


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


def _new_files(night: Night, source: Source, before: Mapping[str, Mapping[str, Any]]) -> Listed:
    """All files of a source that lie there, and those that tonight takes."""
    files = files_of(source, night.conf.resolve(source.read.path))
    dates = {name: row["file_date"] for name, row in before.items()}
    return files, to_take(source, files, dates, day=night.day)


def _land(night: Night, source: Source, taken: Taken, listed: Mapping[str, Listed]) -> Landed:
    if source.read.format == JDBC:
        return _land_answer(night, source)
    before, result = taken.get(source.source, {}), Landed(source)
    try:
        files, new = listed.get(source.source) or _new_files(night, source, before)
        result.offered, result.rewritten = signature(new), _rewritten(night, source, files, before)
        _tell_of_late(night, source, (file for file in files if file not in new and file.name not in before))
        if not any(file.file_date == night.day for file in new):
            result.missing = _expected(night, source)
        if new:
            check_whole(source, new)
            result.rows = land_files(night, source, new)
            result.files = new
            _tell_of_cut(night, source, new, (file for file in files if file.name in before))
    except GoneError:
        raise
    except DataError as error:
        result.refused = str(error)
    return result


def _land_answer(night: Night, source: Source) -> Landed:
    result = Landed(source)
    try:
        result.rows, result.mark, stands_for = land_answer(night, source)
        result.files = [stands_for]
    except GoneError:
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


def _tell_of_cut(night: Night, source: Source, new: Iterable[ExtractFile], taken: Iterable[ExtractFile]) -> None:
    """Warn of new files that end within a line, as other files of the source do not: rows may be missing."""
    if source.read.format not in _ENDED:
        return
    plain, known = ([file for file in files if not is_packed(file.path)] for files in (new, taken))
    for file in cut_short(plain, known):
        night.warn(
            f"source {source.source}: {file.path}: its last line has no end, as others of its kind have: is it cut "
            "short? It landed as it is; if rows are missing, deliver the whole extract again under another name"
            f"{', of a newer date' if source.extract == 'snapshot' else ''}"
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


def _tell(night: Night, landed: list[Landed]) -> None:
    """Stop on what must not be missing; say the rest."""
    for item in landed:
        name = item.source.source
        if item.refused and item.source.read.required:
            raise DataError(item.refused)
        if item.refused:
            night.warn(f"{item.refused}; nothing of {name} landed tonight")
        elif item.missing and (item.source.closes_absent or item.source.extract != "snapshot"):
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
