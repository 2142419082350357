"""Servers that tests start and end: S3 (moto), and a Spark standalone cluster of a master and two workers."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyspark

from tests.end_to_end.project import ROOT

BUCKET = "portrait"
VERSIONED, READ_ONLY = "versioned", "read-only"
REGION = "eu-central-1"
PATIENCE = 240  # a busy machine starts a JVM in a minute
SPARK_HOME = Path(pyspark.__file__).parent
# each JVM lives for seconds
QUICK = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """An S3 server with empty buckets: the environment that names it."""
    command = [sys.executable, "-m", "tests.end_to_end.s3_server"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env={**os.environ, **_HERE}
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            told = {
                "AWS_ENDPOINT_URL": address, "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "portrait", "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            }  # fmt: skip
            for bucket in (BUCKET, VERSIONED, READ_ONLY):
                client(told).create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            client(told).put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
            yield told
        finally:
            server.kill()


def client(told: Mapping[str, str]) -> Any:
    """AWS's own client of that server, which shares nothing with those of Portrait."""
    return boto3.client(
        "s3", endpoint_url=told["AWS_ENDPOINT_URL"], region_name=REGION,
        aws_access_key_id=told["AWS_ACCESS_KEY_ID"], aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip


_HERE = {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Cluster:
    """A master's address, and the folders that its workers work in."""

    master: str
    workers: Sequence[Path]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A master and two workers of one core, on free ports of this machine."""
    workers = [folder / f"worker_{number}" for number in (1, 2)]
    with ExitStack() as running:
        log = running.enter_context(_daemon(folder, "master.Master", [], "master"))
        master = _found(log, r"Starting Spark master at (spark://\S+)")
        for work in workers:
            options = ["--cores", "1", "--memory", "1g", "--work-dir", str(work), master]
            _found(running.enter_context(_daemon(folder, "worker.Worker", options, work.name)), r"(Successfully reg)")
        yield Cluster(master, workers)


@contextmanager
def _daemon(folder: Path, name: str, options: Sequence[str], log_name: str) -> Iterator[Path]:
    """A part of the cluster; gives its log."""
    log = folder / f"{log_name}.log"
    command = [
        str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1",
        "--port", "0", "--webui-port", "0", *options,
    ]  # fmt: skip
    # executors are the workers' children: they end with them
    with log.open("w") as sink, subprocess.Popen(
        command, stdout=sink, stderr=subprocess.STDOUT,
        env={**os.environ, **_HERE, **QUICK, "SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1",
             "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": sys.executable},
    ) as daemon:  # fmt: skip
        try:
            yield log
        finally:
            daemon.terminate()


def _found(log: Path, pattern: str) -> str:
    """What a log says, as soon as it does."""
    patience = time.monotonic() + PATIENCE
    while not (match := re.search(pattern, log.read_text())):
        assert time.monotonic() < patience, log.read_text()
        time.sleep(0.1)
    return match[1]


def submit(cluster: Cluster, environment: Mapping[str, str], events: Path, *arguments: str, jars: str = "") -> str:
    """spark-submit to the cluster, as a user would. Gives what it prints."""
    events.mkdir(exist_ok=True)
    settings = {
        "spark.executor.memory": "600m", "spark.driver.memory": "1g", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false", "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.as_uri(), "spark.eventLog.compress": "false",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    }  # fmt: skip
    command = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", cluster.master, "--jars", jars]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=600,
        env={**environment, **_HERE, **QUICK, "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": sys.executable,
             "SPARK_LOCAL_IP": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]  # Python speaks through the former
    return done.stdout + done.stderr
