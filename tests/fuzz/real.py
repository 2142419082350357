"""Mutations of real extracts of other people's: an access log, addresses in GB 18030, people in CSV and Parquet.

    python -m tests.fuzz.real --data FOLDER [--minutes 5] [--seed 7]

What is not touched must be in bronze as readers that are not ours read it, and every row that landed have its fate.
"""

import argparse
import csv
import gzip
import io
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from pyarrow import parquet as pq
from pyspark.sql import SparkSession

from jobs.runtime.session import open_session
from jobs.runtime.tables import dataset_of
from tests.fuzz.chance import MUTATIONS, Mutation
from tests.stages.extracts import Extracts
from transforms.errors import PortraitError

_LINES = 60
_AT_ONCE = 12
_TRACE = re.compile(r"\n\s+at |Traceback|JVM stacktrace|Exception:|Py4J|org\.apache\.")
Values = tuple[str, ...]
_PARQUET = """entity: contact
read: {format: parquet, path: PATH}
columns: {contact_id: unique_id, full_name: full_name}
"""


@dataclass(frozen=True)
class Original:
    """A real extract: `lines` (the first is a header, if it has one), what one says to a reader that is not ours."""

    name: str
    yaml: str
    lines: list[bytes]
    columns: tuple[str, ...]
    values: Callable[[bytes], Values | None]
    quoted: bool = True

    def untouched(self, data: bytes) -> Counter[Values]:
        """The records of `data` that are lines of the original, as often as they stand there."""
        known = set(self.lines)
        values = (self.values(line) for line in re.split(rb"\r\n|\n|\r", data) if line in known)
        return Counter(found for found in values if found)


Mutated = tuple[Original | None, str, bytes]


def originals(data: Path, dice: random.Random) -> list[Original]:
    """Some lines of each file that is there."""
    log = gzip.decompress((data / "apache_access_2015-05.log.gz").read_bytes()).splitlines()
    addresses = gzip.decompress((data / "cn_addresses.csv.gz").read_bytes()).decode().splitlines()
    people = (data / "fake_1000.csv").read_bytes().splitlines()
    return [
        Original(
            "log",
            "entity: web_event\nread: {format: access_log, path: PATH}\ncolumns: {event_type: \"'view'\"}\n",
            dice.sample(log, _LINES), ("host", "time", "url", "status", "bytes", "referrer", "agent"),
            _of_log, quoted=False,
        ),
        Original(
            "addresses",
            "entity: contact\nread: {format: csv, path: PATH, options: {encoding: gb18030}}\n"
            "columns: {contact_id: 原始地址}\n",
            [line.encode("gb18030") for line in (addresses[0], *dice.sample(addresses[1:], _LINES))],
            ("原始地址", "规模"), _csv_reader(addresses[0], "gb18030"),
        ),
        Original(
            "people",
            "entity: contact\nread: {format: csv, path: PATH}\n"
            "columns: {contact_id: unique_id, given_name: first_name, family_name: surname, city: city}\n"
            "ids: {email: email}\n",
            [people[0], *dice.sample(people[1:], _LINES)],
            ("unique_id", "first_name", "surname", "dob", "city", "email", "cluster"),
            _csv_reader(people[0].decode(), "utf-8"),
        ),
    ]  # fmt: skip


def _of_log(line: bytes) -> Values | None:
    """By places of blanks, brackets and quotes, where no quote is escaped."""
    parts = line.decode("utf-8", "replace").split('"')
    if len(parts) != 7 or "\\" in parts:
        return None
    (host, _, _, *stamp), (_, url, *_), (status, size) = parts[0].split(), parts[1].split(), parts[2].split()
    told = (host, " ".join(stamp)[1:-1], url, status, size, parts[3], parts[5])
    return tuple("" if value == "-" else value for value in told)


def _csv_reader(header: str, encoding: str) -> Callable[[bytes], Values | None]:
    def values(line: bytes) -> Values | None:
        text = line.decode(encoding)
        return None if text == header else tuple(next(csv.reader(io.StringIO(text), strict=True)))

    return values


def mutated(dice: random.Random, original: Original) -> tuple[str, bytes]:
    """What was done, and what came of it."""
    rows = list(original.lines)
    kinds: list[Mutation] = [dice.choice(MUTATIONS) for _ in range(dice.choice((1, 1, 2, 3)))]
    for mutation in kinds:
        if len(rows) > 1:
            rows = mutation(dice, rows)
    if dice.random() < 0.05:
        rows.insert(1, b"x" * 9_000_000)
        return "a long line", b"\n".join(rows)
    return " ".join(sorted({kind.__name__ for kind in kinds})), b"\n".join(rows) + dice.choice((b"", b"\n"))


def parquet(dice: random.Random, data: Path) -> tuple[str, bytes]:
    """Some of the people of a Parquet file, a few bytes of which are others, or which is cut off."""
    sink = io.BytesIO()
    table = pq.read_table(data / "historical_people_half.parquet")
    pq.write_table(table.slice(dice.randrange(table.num_rows - 300), 300), sink)
    raw = bytearray(sink.getvalue())
    if dice.random() < 0.3:
        return "truncated", bytes(raw[: dice.randrange(len(raw))])
    for _ in range(dice.randint(1, 4)):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    return "bytes_changed", bytes(raw)


def night(
    spark: SparkSession, folder: Path, given: dict[str, Mutated], yaml: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """(source, what came of it, or what should not have) for each source of one night."""
    texts = {name: f"source: {name}\n" + yaml[name].replace("PATH", f"'extracts/{name}/{{date}}_*'") for name in given}
    extracts = Extracts(spark, folder, texts)
    for name, (_, _, data) in given.items():
        path = extracts.deliver(f"{name}/2026-03-01_a")
        path.write_bytes(data)
    try:
        fates = extracts.night(1)
    except PortraitError as error:
        named = re.search(r"extracts/(\w+)/", str(error))
        if not named or _TRACE.search(str(error)):
            yield "", f"FLAW the night stopped and named no file: {error}"
            return
        yield named[1], "stopped"
        rest = {name: case for name, case in given.items() if name != named[1]}
        if rest:
            yield from night(spark, folder / "rest", rest, yaml)
        return
    assert extracts.last
    refused = extracts.last.figures_of("bronze")["refused"]
    landed = extracts.last.figures_of("bronze")["landed"]
    for message in extracts.warned:
        if _TRACE.search(message):
            yield "", f"FLAW a stack trace: {message}"
    for name, (original, _, data) in given.items():
        if name in refused:
            whole = "2026-03-01_a" in refused[name] and "\n" not in refused[name]
            yield name, "refused" if whole else f"FLAW the refusal names no file: {refused[name]}"
        elif sum(fates.get(name, {}).values()) != landed.get(name):
            yield name, f"FLAW {landed.get(name)} landed, fates {fates.get(name)}"
        elif original and (lost := _lost(folder, name, original, data)):
            yield name, f"FLAW {lost}"
        else:
            yield name, "quarantined" if fates[name].get("quarantined") else "accepted"


def _lost(folder: Path, name: str, original: Original, data: bytes) -> str | None:
    if original.quoted and any(line.count(b'"') % 2 for line in re.split(rb"[\r\n]+", data)):
        return None  # what one quote may do to the lines behind it, only a whole reading can say
    rows = dataset_of(DeltaTable(str(folder / "lakehouse" / "bronze" / name))).to_table().to_pylist()
    held = Counter(tuple(row[column] or "" for column in original.columns) for row in rows)
    missing = original.untouched(data) - held
    return f"{missing.total()} untouched records are not in bronze: {next(iter(missing))}" if missing else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    dice, came, wrong = random.Random(chosen.seed), Counter[tuple[str, str, str]](), 0
    until = time.monotonic() + chosen.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        spark = open_session({"spark.driver.memory": "2g", "spark.sql.codegen.wholeStage": "false",
                              "spark.sql.codegen.factoryMode": "NO_CODEGEN"}, light=True)  # fmt: skip
        for number in range(10_000):
            if time.monotonic() > until:
                break
            given: dict[str, Mutated] = {}
            yaml = {}
            for place, original in zip(range(_AT_ONCE), originals(chosen.data, dice) * _AT_ONCE, strict=False):
                name = f"{original.name}{place}"
                given[name], yaml[name] = (original, *mutated(dice, original)), original.yaml
            for place in range(2):
                name = f"parquet{place}"
                given[name], yaml[name] = (None, *parquet(dice, chosen.data)), _PARQUET
            for name, outcome in night(spark, Path(folder) / str(number), given, yaml):
                form = name.rstrip("0123456789")
                kind = given[name][1] if name else ""
                if outcome.startswith("FLAW"):
                    wrong += 1
                    print(f"{form} {kind}: {outcome}", flush=True)
                came[form, kind if form == "parquet" else "", outcome.split()[0]] += 1
            print(f"-- night {number}, {came.total()} mutations", file=sys.stderr, flush=True)
    for (form, kind, outcome), count in sorted(came.items()):
        print(f"{count:6,}  {form:10} {outcome:12} {kind}")
    print(f"{came.total():,} mutations, {wrong} flaws")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
