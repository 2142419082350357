"""What set-up does once: Delta's JARs and PostgreSQL's driver beside Spark's own, and an archive of class data that
halves each start. The JARs of S3 come where they are asked for.

`python -m jobs.runtime.setup [s3]`. A second call finds everything there and does nothing.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from jobs.runtime.jars import DELTA, S3, S3_FOLDER, Jars, spark_folder
from jobs.runtime.session import ARCHIVE, open_session
from transforms.errors import DefinitionError, PortraitError


def main(*asked: str) -> None:
    """Bring the environment to the state that `make run` and `make test` need; `s3`: that nights on S3 need.

    Raises DefinitionError for anything else that is asked for.
    """
    if asked not in ((), ("s3",)):
        raise DefinitionError(f"set-up: {' '.join(asked)}: nothing that it knows; s3, or nothing")
    if get(DELTA, spark_folder()):
        ARCHIVE.unlink(missing_ok=True)  # the JVM ignores one that was made with other JARs
    if not ARCHIVE.exists():
        print("set-up: making the class archive (once, about a minute)", flush=True)
        make_archive()
    if asked:
        get(S3, S3_FOLDER)


def get(jars: Jars, folder: Path) -> bool:
    """Fetch JARs that are not in the folder yet; were there any?"""
    if not jars.missing(folder):
        return False
    print(f"set-up: resolving the JARs of {jars.what} (once)", flush=True)
    jars.resolve(folder)
    return True


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


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except PortraitError as error:
        sys.exit(str(error))
