"""The Spark session: settings that were measured to earn their place, and Spark's noise in a log file.

Figures behind the settings are in docs/performance.md.
"""

import contextlib
import locale
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.runtime.jars import S3, S3_FOLDER
from jobs.runtime.stores import on_s3, spark_settings
from transforms.errors import DefinitionError

JAVA_VERSION = 17
ARCHIVE = Path(sys.prefix) / "portrait" / "classes.jsa"
_S3_CLASS = "org.apache.hadoop.fs.s3a.S3AFileSystem"
_LOG4J = Path(__file__).with_name("log4j2.properties")

# Local mode only: on a cluster, spark-submit and the cluster's own defaults decide.
_LOCAL = {
    "spark.master": "local[*]",
    "spark.driver.memory": "4g",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    # nobody asks what is long over
    "spark.ui.retainedJobs": "20",
    "spark.ui.retainedStages": "20",
    "spark.ui.retainedTasks": "200",
    "spark.sql.ui.retainedExecutions": "5",
    # re-planning at every shuffle doubles the jobs, and on one machine gains nothing
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",
}
# The first compiler alone; its code cache, made for less, would fill up, and then nothing more is compiled.
_LIGHT = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=256m")
_ALWAYS = {
    "spark.app.name": "portrait",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.session.timeZone": "UTC",
    # A user's expression gives NULL where it cannot be computed; see docs/adr/0004.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # a JSON object that names a key twice is no reason to stop a night
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    # extracts come in GB18030, Big5 and others; what is not in its encoding becomes U+FFFD, which bronze looks for
    "spark.sql.legacy.javaCharsets": "true",
    "spark.sql.legacy.codingErrorAction": "true",
    "spark.sql.codegen.maxFields": "5000",
    # the JVM never compiles a method of more than 8,000 bytes: past it, expressions are generated one by one
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # the JVM knows upper and lower case as well as ICU does, and starts at once
    "spark.sql.icu.caseMappings.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.partitionOverwriteMode": "static",
    # what the driver takes has bounds of its own (docs/guides/clusters.md): ten million ties are more than Spark's 1 GB
    "spark.driver.maxResultSize": "8g",
    # memory of Python's workers, which each batch of rows would else take from the system and give back: a third of the
    # time of scores
    "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": "67108864",
    "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": "67108864",
    # rows that go to a few folders need not be sorted by folder first
    "spark.sql.maxConcurrentOutputFileWriters": "8",
    # of seventeen calls to Java that an operation on a column makes, sixteen note which line of Python it stands in
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.sql.dataFrameQueryContext.enabled": "false",
    # else what is cached is planned in a session of its own, made for it
    "spark.sql.sources.bucketing.autoBucketedScan.enabled": "false",
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
}


def check_java() -> None:
    """Raise DefinitionError, with the remedy, where there is no Java of the version that Spark needs."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = f"install a JDK {JAVA_VERSION} and point JAVA_HOME at it"
    if not java or not Path(java).exists():
        raise DefinitionError(f"Java: none found{f' at {java}' if home else ''}; {remedy}")
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr  # noqa: S603
    except OSError as error:
        raise DefinitionError(f"Java: {java} does not start ({error.strerror}); {remedy}") from None
    match = re.search(r'version "(\d+)', told)
    if not match:
        raise DefinitionError(f"Java: {java} does not tell its version; {remedy}")
    if int(match[1]) != JAVA_VERSION:
        raise DefinitionError(f"Java: {java} is version {match[1]}, Spark 4.1 runs here on {JAVA_VERSION}; {remedy}")


def open_session(
    settings: Mapping[str, str] | None = None,
    *,
    log: Path | None = None,
    java_options: str = "",
    local: bool = True,
    light: bool = False,
    reaches: Iterable[str] = (),
) -> Any:
    """A Spark session with Delta. `log` takes what Spark and the JVM print.

    `light`: for little data; the JVM then compiles what it runs quickly rather than well.
    `reaches`: paths that it is to read or write; what lies on S3 needs JARs of its own.

    Raises DefinitionError where Java is absent or of another version, or the JARs of S3 are needed and not there.
    """
    check_java()
    s3 = any(map(on_s3, reaches))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    _name_files_in_utf8()
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    log = log or Path(os.devnull)
    if log != Path(os.devnull):
        log.parent.mkdir(parents=True, exist_ok=True)
    cores = os.cpu_count() or 2
    chosen: dict[str, Any] = {
        **_ALWAYS,
        **(_LOCAL | {"spark.sql.shuffle.partitions": str(max(2, cores))} if local else {}),
        **(spark_settings() if s3 else {}),
        **(settings or {}),
    }
    if s3 and local and not S3.absent(S3_FOLDER):  # spark-submit brings its own
        own = chosen.get("spark.jars", "").split(",")
        chosen["spark.jars"] = ",".join(jar for jar in (*own, *(str(S3_FOLDER / name) for name in S3.locked)) if jar)
    own = chosen.get("spark.driver.extraJavaOptions", "")
    chosen["spark.driver.extraJavaOptions"] = _java_options(log, java_options, own, light=light and local)

    from pyspark.sql import SparkSession

    # pyspark prints every error that it raises a second time, as JSON
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    builder = SparkSession.builder.config(map=chosen)
    with _standard_error_to(log):
        session = builder.getOrCreate()
    if s3:
        _check_s3(session)
    return session


def _name_files_in_utf8() -> None:
    """The JVM that starts next names files in the locale's encoding, whatever it is told: one that is not UTF-8, such
    as a scheduler's, would find no `订单.csv`."""
    if locale.nl_langinfo(locale.CODESET).upper() != "UTF-8":
        os.environ["LC_ALL"] = "C.UTF-8"


def _java_options(log: Path, *others: str, light: bool) -> str:
    """What the JVM is told. Spark parts them as a shell does."""
    options = [
        "-XX:+UseParallelGC",
        f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}",
        shlex.quote(f"-Dportrait.log={log}"),
        "-XX:-UsePerfData",
        *(_archive_options() if not any("ArchiveClassesAtExit" in other for other in others) else []),
        *(_LIGHT if light else []),
        *others,
    ]
    return " ".join(option for option in options if option)


def _check_s3(session: Any) -> None:
    """Raise DefinitionError, with the remedy, where the session cannot reach S3."""
    if not session.sparkContext._jvm.org.apache.spark.util.Utils.classIsLoadable(_S3_CLASS):
        session.stop()
        raise DefinitionError(
            "S3: Spark has no JARs for it; get them once: python -m jobs.runtime.setup s3 (on a cluster, hand them to "
            f"spark-submit: --jars '{S3_FOLDER}/*.jar')"
        )


def _archive_options() -> list[str]:
    """Class data made once at set-up: a third off the start. The JVM ignores an archive that does not fit it."""
    if not ARCHIVE.exists():
        return []
    return [shlex.quote(f"-XX:SharedArchiveFile={ARCHIVE}"), "-Xshare:auto", "-Xlog:disable", "-Xlog:all=off"]


@contextlib.contextmanager
def _standard_error_to(log: Path) -> Iterator[None]:
    """Give the JVM that starts inside this block the log as its standard error: it keeps it for life."""
    sys.stderr.flush()
    kept = os.dup(2)
    with log.open("ab") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def jvm_pid(spark: Any) -> int:
    """The process of the session's JVM."""
    return int(spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid())
