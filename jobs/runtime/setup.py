"""What set-up does once: Delta's JARs and PostgreSQL's driver beside Spark's own, and an archive of class data that
halves each start.

`python -m jobs.runtime.setup`. A second call finds everything there and does nothing.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from jobs.runtime.session import ARCHIVE, open_session
from transforms.errors import PortraitError

COORDINATES = ("io.delta:delta-spark_4.1_2.13:4.4.0", "org.postgresql:postgresql:42.7.8")
# The rest of Delta's dependencies are Spark's own, and would shadow them; the driver needs none of its own.
GROUPS = ("io.delta", "io.unitycatalog", "org.postgresql")
LOCK = Path(__file__).with_name("jars.lock")


def main() -> None:
    """Bring the environment to the state that `make run` and `make test` need."""
    jars = spark_jars()
    if missing_jars(jars):
        print("set-up: resolving the JARs of Delta and of PostgreSQL's driver (once)", flush=True)
        resolve_jars(jars)
        ARCHIVE.unlink(missing_ok=True)  # the JVM ignores one that was made with other JARs
    if not ARCHIVE.exists():
        print("set-up: making the class archive (once, about a minute)", flush=True)
        make_archive()


def spark_jars() -> Path:
    """The folder of the environment's Spark JARs."""
    import pyspark

    return Path(pyspark.__file__).parent / "jars"


def locked() -> dict[str, str]:
    """JAR -> SHA-256, as pinned."""
    return {name: digest for digest, name in (line.split() for line in LOCK.read_text().splitlines())}


def missing_jars(folder: Path) -> list[str]:
    """The pinned JARs that are not in the folder, or are other than pinned."""
    return [name for name, digest in locked().items() if _sha256(folder / name) != digest]


def resolve_jars(folder: Path) -> None:
    """Fetch the pinned JARs by Spark's own resolver. Raises PortraitError where one cannot be had as pinned."""
    with tempfile.TemporaryDirectory() as scratch:
        # a home of its own: a local Maven repository that holds POMs without their JARs would break the resolver
        command = [
            sys.executable, "-c", _RESOLVE, ",".join(COORDINATES), f"{scratch}/ivy", f"-Duser.home={scratch}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        for group in GROUPS:
            for jar in Path(scratch, "ivy", "jars").glob(f"{group}_*.jar"):
                shutil.copyfile(jar, folder / jar.name.removeprefix(f"{group}_"))
    missing = missing_jars(folder)
    if missing:
        last = "\n".join(done.stderr.splitlines()[-3:])
        raise PortraitError(
            f"set-up: could not get {', '.join(missing)} as pinned in {LOCK.name}; is Maven Central reached?\n{last}"
        )


_RESOLVE = """
import sys
from pyspark.sql import SparkSession
coordinates, ivy, home = sys.argv[1:]
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder.config("spark.jars.packages", coordinates).config("spark.jars.ivy", ivy).config(
    "spark.driver.extraJavaOptions", home
).config("spark.driver.host", "localhost").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate().stop()
"""


def make_archive() -> None:
    """Run what every night runs, small, and let the JVM archive the classes it loaded on its way out."""
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    draft = ARCHIVE.with_suffix(".draft")
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", _WARM_UP, scratch, str(draft)]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    if draft.exists():
        draft.replace(ARCHIVE)  # whole or not at all; without it a start is slower, nothing else


_WARM_UP = """
import sys
from jobs.runtime.setup import warm_up
warm_up(*sys.argv[1:])
"""


def warm_up(scratch: str, archive: str) -> None:
    """The kinds of work that a night does, on next to nothing."""
    spark = open_session(java_options=f"-XX:ArchiveClassesAtExit={archive} -Xlog:disable -Xlog:all=off")
    from delta.tables import DeltaTable
    from pyspark.sql import functions as F

    source = Path(scratch, "rows.csv")
    source.write_text("id,at,text\n" + "\n".join(f"{n},2026-01-31 10:00:00,{n % 7}" for n in range(500)))
    rows = spark.read.csv(str(source), header=True).withColumn("_file", F.col("_metadata.file_path"))
    table = f"{scratch}/table"
    for mode in ("overwrite", "append"):
        rows.write.format("delta").mode(mode).save(table)
    read = spark.read.format("delta").option("versionAsOf", 1).load(table)
    sums = read.groupBy("text").agg(F.sum(F.col("id").cast("decimal(18,4)")), F.max(F.struct("at", "id")))
    joined = read.join(F.broadcast(sums), "text", "left").withColumn("ids", F.to_json(F.create_map("id", "text")))
    joined.write.format("noop").mode("overwrite").save()
    (
        DeltaTable.forPath(spark, table).alias("held").merge(rows.alias("new"), "held.id = new.id and held.at is null")
        .whenMatchedUpdate(set={"text": "new.text"}).whenNotMatchedInsertAll().execute()
    )  # fmt: skip
    read.select(F.json_object_keys(F.to_json(F.struct("id")))).limit(5).toPandas()
    spark.stop()


def _sha256(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


if __name__ == "__main__":
    try:
        main()
    except PortraitError as error:
        sys.exit(str(error))
