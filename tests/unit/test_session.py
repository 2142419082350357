"""What a user writes under `spark:` reaches the session as it is."""

import re

from pyspark.sql import SparkSession

from jobs.runtime.configuration import Pipeline
from jobs.runtime.session import open_session
from tests.end_to_end.project import ROOT
from transforms.definitions import parse, parse_yaml


def test_the_listener_of_lineage_is_passed_on_as_the_guide_has_it(spark: SparkSession) -> None:
    """As far as can be seen without its JAR: a listener begins with the JVM, and this session's has begun."""
    guide = (ROOT / "docs" / "guides" / "scheduling.md").read_text().partition("## Lineage")[2]
    [text] = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    wanted = parse(Pipeline, parse_yaml(text, place="p"), place="p").spark
    assert wanted["spark.extraListeners"] == "io.openlineage.spark.agent.OpenLineageSparkListener"
    transport = {name: value for name, value in wanted.items() if name.startswith("spark.openlineage.transport.")}
    session = open_session(transport, light=True)
    try:
        assert {name: session.conf.get(name) for name in transport} == transport and len(transport) == 2
    finally:
        for name in transport:
            session.conf.unset(name)
