"""Which files of an extract a night takes, and how a file is known again."""

import os
import re
import shutil
import zlib
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from jobs.runtime.files import ExtractFile, check_whole, checksum, files_of, is_as_taken, signature, to_take
from transforms.errors import DataError
from transforms.sources.definition import Source, parse_source
from transforms.sources.paths import dated

DAY = date(2026, 3, 10)
ORDERS = """
source: orders
entity: transaction
read: {format: csv, path: 'extracts/orders/{date}/*.csv', lookback: 3d}
extract: append
columns: {order_id: no, line_no: line, ordered_at: at, quantity: quantity, amount_local: paid, currency: "'EUR'"}
"""


def source(**changes: str) -> Source:
    text = ORDERS
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse_source(text, place="conf/sources/orders.yml")


def lies(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("no,line\n")


def found(pattern: str) -> list[ExtractFile]:
    return files_of(source(), pattern)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("orders/{date}/*.csv", "2026-03-10/a.csv"),
        ("orders/{date}/a.csv", "2026-03-10/a.csv"),
        ("ord*/{date}/*.csv", "orders/2026-03-10/a.csv"),
        ("orders/{date}/[ab].csv", "2026-03-10/a.csv"),
    ],
)
def test_a_file_has_the_same_name_wherever_the_extracts_lie(tmp_path: Path, pattern: str, name: str) -> None:
    lies(tmp_path / "here", "orders/2026-03-10/a.csv")
    here = found(f"{tmp_path}/here/{pattern}")
    shutil.move(tmp_path / "here", tmp_path / "moved to" / "2020-01-01")
    there = found(f"{tmp_path}/moved to/2020-01-01/{pattern}")
    assert [file.name for file in here] == [file.name for file in there] == [name]
    assert [file.file_date for file in here] == [file.file_date for file in there] == [DAY]
    assert Path(there[0].path).is_file()


def test_dates_in_the_names_of_files(tmp_path: Path) -> None:
    lies(tmp_path, "orders-2026-03-10.csv", "orders-2026-03-32.csv", "orders-yesterday.csv", "orders-2026-03-09.csv")
    assert [file.name for file in found(f"{tmp_path}/orders-{{date}}.csv")] == [
        "orders-2026-03-09.csv",
        "orders-2026-03-10.csv",
    ]


def test_what_is_no_extract_by_its_name(tmp_path: Path) -> None:
    """Spark reads no row of such a file and says nothing, so that a night would take it as if it were empty."""
    lies(
        tmp_path, *(f"2026-03-10/{name}" for name in ("_SUCCESS", ".a.csv.crc", "_a.csv", "b.csv._COPYING_", "a_b.csv"))
    )
    assert [file.name for file in found(f"{tmp_path}/{{date}}/*")] == ["2026-03-10/a_b.csv"]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert found(f"{tmp_path}/nowhere/{{date}}/*.csv") == []


def test_a_night_takes_its_own_files_and_late_ones_within_lookback(tmp_path: Path) -> None:
    days = ("2026-03-06", "2026-03-07", "2026-03-08", "2026-03-10", "2026-03-11")
    lies(tmp_path, *(f"orders/{day}/a.csv" for day in days), "orders/2026-03-08/late.csv")
    files = found(f"{tmp_path}/orders/{{date}}/*.csv")

    def names(*taken: str) -> list[str]:
        return [file.name for file in to_take(source(), files, dict.fromkeys(taken), day=DAY)]

    assert names("2026-03-08/a.csv") == ["2026-03-07/a.csv", "2026-03-08/late.csv", "2026-03-10/a.csv"]
    # a source's first night takes all up to its date
    assert names() == [
        "2026-03-06/a.csv", "2026-03-07/a.csv", "2026-03-08/a.csv", "2026-03-08/late.csv", "2026-03-10/a.csv",
    ]  # fmt: skip


def test_a_snapshot_counts_once_and_only_the_newest(tmp_path: Path) -> None:
    lies(tmp_path, *(f"orders/{day}/a.csv" for day in ("2026-03-08", "2026-03-09", "2026-03-11")))
    whole = source(**{"extract: append": "extract: snapshot", ", lookback: 3d": ""})
    files = found(f"{tmp_path}/orders/{{date}}/*.csv")
    assert [file.name for file in to_take(whole, files, {}, day=DAY)] == ["2026-03-09/a.csv"]
    # one that comes late counts where it is newer than the one taken last, and undoes nothing where it is older
    for taken, expected in (("2026-03-08", ["2026-03-09/a.csv"]), ("2026-03-09", []), ("2026-03-10", [])):
        late = to_take(whole, files, {f"{taken}/z.csv": date.fromisoformat(taken)}, day=DAY)
        assert [file.name for file in late] == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/in/orders_2026-01-05_corrected_2026-01-09.csv", "2026-01-05"),
        ("/moved/2020-01-01/in/orders_2026-01-05.csv", "2026-01-05"),
        ("/data/in/2020-01-01/orders_2026-01-05_2026-01-09.csv", "2026-01-05"),
        ("/renamed/since/o-2026-01-05.txt", "2026-01-05"),  # the last date, where nothing better is known
        ("/renamed/since/o.txt", None),
    ],
)
def test_a_file_is_of_the_date_of_its_sources_path(path: str, expected: str | None) -> None:
    found = (re.search(pattern, path) for pattern in dated("/data/in/orders_{date}*.csv"))
    assert next((match[1] for match in found if match), None) == expected


def test_a_file_is_as_it_was_taken_by_its_bytes(tmp_path: Path) -> None:
    lies(tmp_path, "orders-2026-03-10.csv")
    [file] = found(f"{tmp_path}/orders-{{date}}.csv")
    assert checksum(file) == format(zlib.crc32(b"no,line\n"), "08x")
    taken = {"size": file.size, "modified_at": file.modified_at, "checksum": checksum(file)}
    earlier = {**taken, "modified_at": file.modified_at - timedelta(days=1)}
    assert is_as_taken(file, taken)
    assert is_as_taken(file, earlier)
    assert is_as_taken(file, {**earlier, "checksum": None})  # taken before there were any
    assert not is_as_taken(file, {**earlier, "checksum": "00000000"})
    assert not is_as_taken(file, {**taken, "size": 1})
    moved = replace(file, modified_at=file.modified_at + timedelta(seconds=1))
    assert signature([file]) == signature(found(f"{tmp_path}/orders-{{date}}.csv")) != signature([moved])


def test_what_is_no_file_is_found_and_refused_by_its_name(tmp_path: Path) -> None:
    lies(tmp_path, "2026-03-10/a.csv")
    (tmp_path / "2026-03-10" / "lost.csv").symlink_to("nothing.csv")
    (tmp_path / "2026-03-10" / "itself.csv").symlink_to("itself.csv")
    os.mkfifo(tmp_path / "2026-03-10" / "pipe.csv")
    files = found(f"{tmp_path}/{{date}}/*.csv")
    assert [Path(file.name).name for file in files] == ["a.csv", "itself.csv", "lost.csv", "pipe.csv"]
    check_whole(source(), files[:1])
    for file in files[1:]:
        with pytest.raises(DataError, match=rf"{file.path}: is not a file"):
            check_whole(source(), [file])


def test_a_file_that_is_gone_by_the_time_it_is_read_is_named(tmp_path: Path) -> None:
    lies(tmp_path, "2026-03-10/a.csv")
    files = found(f"{tmp_path}/{{date}}/*.csv")
    Path(files[0].path).unlink()
    with pytest.raises(DataError, match=rf"{files[0].path}: cannot be read"):
        checksum(files[0])


@pytest.mark.parametrize("ways", [{"loop": "."}, {"one": "../..", "two": "../.."}, {"out": "../../beside"}])
def test_a_link_back_to_a_folder_above_refuses_the_source_rather_than_to_count_files_again(
    tmp_path: Path, ways: dict[str, str]
) -> None:
    lies(tmp_path / "extracts", "2026-03-10/a.csv")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "back").symlink_to(tmp_path / "extracts")
    for name, target in ways.items():
        (tmp_path / "extracts" / "2026-03-10" / name).symlink_to(target)
    with pytest.raises(DataError, match=r"source orders: .*: a link that leads back to a folder above it"):
        found(f"{tmp_path}/extracts/{{date}}/*.csv")


def test_a_link_to_a_folder_elsewhere_and_a_folder_with_a_files_name_are_read(tmp_path: Path) -> None:
    lies(tmp_path, "elsewhere/a.csv", "extracts/2026-03-11/whole.csv/part-0.csv")
    (tmp_path / "extracts" / "2026-03-10").symlink_to(tmp_path / "elsewhere")
    names = [file.name for file in found(f"{tmp_path}/extracts/{{date}}/*.csv")]
    assert names == ["2026-03-10/a.csv", "2026-03-11/whole.csv/part-0.csv"]
