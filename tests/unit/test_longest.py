"""Lines too long for any reader: found wherever they stand, however the file is packed, by Python's own splitting."""

import bz2
import gzip
import os
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats import longest, unpacked
from jobs.runtime.formats.landing import Landing
from jobs.runtime.formats.longest import check_lines
from transforms.errors import DataError
from transforms.sources.definition import parse_source

LIMIT = 40
YAML = "source: people\nentity: contact\nread: {format: csv, path: 'x/{date}/*'}\ncolumns: {contact_id: id}\n"
PACKED: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}
pieces = st.lists(st.one_of(st.sampled_from([b"\n", b"\r", b"\r\n"]), st.binary(max_size=50)), max_size=30)


def landing(path: Path) -> Landing:
    file = ExtractFile(str(path), path.name, path.stat().st_size, datetime.now(UTC), date(2026, 3, 10))
    spark: Any = None
    return Landing(spark, parse_source(YAML, place="conf/sources/people.yml"), [file], {}, "")


@pytest.mark.parametrize("suffix", PACKED)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(pieces)
def test_a_file_is_refused_for_a_line_longer_than_any_and_for_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, pieces: list[bytes]
) -> None:
    data = b"".join(pieces)
    path = tmp_path_factory.getbasetemp() / f"lines{suffix}"
    path.write_bytes(PACKED[suffix](data))
    long = [line for line in re.split(rb"[\r\n]", data) if len(line) > LIMIT]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(longest, "LONGEST_RECORD", LIMIT)
        patch.setattr(longest, "_FIRST_LOOK", 3)
        patch.setattr(unpacked, "_CHUNK", 7)
        if not long:
            check_lines(landing(path), {str(path): str(path)})
            return
        with pytest.raises(DataError) as refused:
            check_lines(landing(path), {str(path): str(path)})
    begins = int(re.search(r"begins at byte (\d+)", str(refused.value))[1])  # type: ignore[index]
    assert str(path) in str(refused.value)
    assert data[begins : begins + LIMIT + 1] in long[0]


def test_a_file_that_may_not_be_read_is_refused_by_its_name() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "a.csv"
        path.write_text("id\n1\n")
        path.chmod(0)
        landed, me = landing(path), os.geteuid()
        if me == 0:  # the superuser may read all
            os.seteuid(65534)
        try:
            with pytest.raises(DataError, match=f"source people: {path}: cannot be opened"):
                check_lines(landed, {str(path): str(path)})
        finally:
            os.seteuid(me)
