"""Portrait's night in Airflow 3, a stage a task. Copy this file into Airflow's folder of DAGs.

Airflow lives in an environment of its own (requirements.txt beside this file) and calls Portrait's spark-submit, so
neither needs the other's packages. What differs from place to place comes from the environment of Airflow's workers:

    PORTRAIT_CODE       the checkout: jobs/ and .venv/        /opt/portrait
    PORTRAIT_PROJECT    the folder that holds conf/           /srv/portrait
    PORTRAIT_TIMEZONE   of conf/pipeline.yml                  UTC
    PORTRAIT_SCHEDULE   cron, by that clock                   30 2 * * *
    PORTRAIT_SUBMIT     how a stage is submitted              spark-submit on this machine, as in local.conf

A run is the night of the day before it, or of the `date` that it is triggered with. Days without a night are caught up
by `portrait backfill`, which runs them in order. There are no secrets here: Portrait reads its own .env.
"""

import os
from datetime import datetime, timedelta
from shlex import quote
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param, chain

CODE = os.environ.get("PORTRAIT_CODE", "/opt/portrait")
PROJECT = os.environ.get("PORTRAIT_PROJECT", "/srv/portrait")
ZONE = ZoneInfo(os.environ.get("PORTRAIT_TIMEZONE", "UTC"))
BIN = f"{CODE}/.venv/bin"
# the class archive that set-up made: a third off each start; a JVM that it does not fit ignores it
JAVA = f'-XX:SharedArchiveFile="{CODE}/.venv/portrait/classes.jsa" -Xshare:auto -Xlog:disable -Xlog:all=off'
# Spark's home is told: its own look for it takes a path with a blank in it for two
SUBMIT = os.environ.get("PORTRAIT_SUBMIT") or (
    f'env SPARK_HOME="$({quote(f"{BIN}/python")} {quote(f"{BIN}/find_spark_home.py")})" {quote(f"{BIN}/spark-submit")} '
    f"--properties-file {quote(f'{CODE}/deploy/airflow/local.conf')} --driver-java-options {quote(JAVA)}"
)
STAGES = (
    "bronze", "silver", "identity", "tags", "profile", "journeys", "catalog", "segments", "recommendations",
    "audiences", "release", "exports", "report",
)  # fmt: skip


def business_date(run_after: datetime) -> str:
    """The day before a run, by the business's clock."""
    return str((run_after.astimezone(ZONE) - timedelta(days=1)).date())


with DAG(
    dag_id="portrait",
    description="One night: every stage, its checks, the release, the exports.",
    schedule=os.environ.get("PORTRAIT_SCHEDULE", "30 2 * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=ZONE),
    catchup=False,
    max_active_runs=1,  # nights go in order, and one run at a time holds the lakehouse
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    params={"date": Param(None, type=["null", "string"], format="date", description="Another business date.")},
    user_defined_macros={"business_date": business_date},
    tags=["portrait"],
) as dag:
    chain(
        *(
            BashOperator(
                task_id=stage,
                # the stages of a night share its run id; a stage that is tried again goes on where the one before ended
                bash_command=(
                    f"exec {SUBMIT} {quote(f'{CODE}/jobs/{stage}.py')} --conf {quote(f'{PROJECT}/conf')} "
                    "--run-id '{{ run_id }}' "
                    "--date {{ params.date or business_date(dag_run.run_after) }}"
                ),
                cwd=PROJECT,
                env={"PYSPARK_PYTHON": f"{BIN}/python"},
                append_env=True,
            )
            for stage in STAGES
        )
    )
