"""The JARs beside Spark's own, fetched once by Spark's own resolver and pinned by their content."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transforms.errors import PortraitError

_PINNED = Path(__file__).parent


@dataclass(frozen=True)
class Jars:
    """JARs that belong together. `groups`: whose JARs are taken; the rest of what `coordinates` depend on is Spark's
    own, and would shadow it. `excluded`: what is not even fetched."""

    what: str
    coordinates: Sequence[str]
    groups: Sequence[str]
    lock: str
    excluded: Sequence[str] = ()

    @cached_property
    def locked(self) -> dict[str, str]:
        """JAR -> SHA-256, as pinned."""
        lines = (_PINNED / self.lock).read_text().splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    def absent(self, folder: Path) -> bool:
        """Are some of the pinned JARs not in the folder? A look at their names."""
        return not all((folder / name).exists() for name in self.locked)

    def missing(self, folder: Path) -> list[str]:
        """The pinned JARs that are not in the folder, or are other than pinned."""
        return [name for name, digest in self.locked.items() if _sha256(folder / name) != digest]

    def resolve(self, folder: Path) -> None:
        """Fetch them into a folder. Raises PortraitError where one cannot be had as pinned."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            # a home of its own: a local Maven repository that holds POMs without their JARs would break the resolver
            command = [
                sys.executable, "-c", _RESOLVE, ",".join(self.coordinates), ",".join(self.excluded), f"{scratch}/ivy",
                f"-Duser.home={scratch}",
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            for group in self.groups:
                for jar in Path(scratch, "ivy", "jars").glob(f"{group}_*.jar"):
                    if (name := jar.name.removeprefix(f"{group}_")) in self.locked:
                        shutil.copyfile(jar, folder / name)
        if missing := self.missing(folder):
            last = "\n".join(done.stderr.splitlines()[-3:])
            raise PortraitError(
                f"set-up: could not get {', '.join(missing)} as pinned in {self.lock}; is Maven Central reached?\n"
                f"{last}"
            )


DELTA = Jars(
    "Delta and of PostgreSQL's driver",  # which needs none of its own
    ("io.delta:delta-spark_4.1_2.13:4.4.0", "org.postgresql:postgresql:42.7.8"),
    ("io.delta", "io.unitycatalog", "org.postgresql"),
    "jars.lock",
)
# Hadoop's connector asks for AWS's whole SDK in one JAR of 600 MB; the parts that it calls are a thirtieth of it.
S3 = Jars(
    "S3",
    (
        "org.apache.hadoop:hadoop-aws:3.4.2", "software.amazon.awssdk:s3:2.29.52",
        "software.amazon.awssdk:s3-transfer-manager:2.29.52", "software.amazon.awssdk:sts:2.29.52",
    ),
    ("org.apache.hadoop", "software.amazon.awssdk", "software.amazon.eventstream", "org.reactivestreams"),
    "jars-s3.lock",
    excluded=("software.amazon.awssdk:bundle",),
)  # fmt: skip
S3_FOLDER = Path(sys.prefix) / "portrait" / "s3"


def spark_folder() -> Path:
    """The folder of the environment's Spark JARs."""
    import pyspark

    return Path(pyspark.__file__).parent / "jars"


_RESOLVE = """
import sys
from pyspark.sql import SparkSession
coordinates, excluded, ivy, home = sys.argv[1:]
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder.config("spark.jars.packages", coordinates).config("spark.jars.excludes", excluded).config(
    "spark.jars.ivy", ivy
).config(
    "spark.driver.extraJavaOptions", home
).config("spark.driver.host", "localhost").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate().stop()
"""


def _sha256(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
