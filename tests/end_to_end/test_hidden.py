"""Whatever more people may read than the pipeline itself names none of the demo's people, wherever it lies or is shown.

What is whose is taken from the page on storage, as an administrator would.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli import app
from jobs.gold import open_release
from jobs.runtime.watch import message, metrics, outcome
from tests.end_to_end.conftest import Nights
from tests.end_to_end.contents import contents
from tests.end_to_end.identifiers import held, identifiers
from tests.end_to_end.project import ROOT, Project

_ROLES = "  blind: {mask: [personal, sensitive]}\n  not_by_mail: {columns: {reachable_by_email: mask}}\n"
_COMMANDS = (
    ["status"], ["plan"], ["report", "--catalog"], ["report", "--segments"], ["tags", "list"], ["tags", "show", "city"],
    ["audience", "list"], ["audience", "size", "reachable"], ["identity", "audit"], ["quarantine", "list"],
    ["funnel", "web_event:view", "transaction:purchase", "--within", "30d"], ["query", "show tables"],
    ["audience", "insight", "--where", "monthly_spend > 0", "--purpose", "service", "--page", "{folder}/insight.html"],
)  # fmt: skip


@pytest.fixture(scope="module")
def project(nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after its nights, with what people make of it: pages, and a role that sees masks."""
    project = nights.copy(3, tmp_path_factory.mktemp("hidden") / "demo")
    privacy = project.conf / "privacy.yml"
    privacy.write_text(privacy.read_text().rstrip("\n") + f"\n{_ROLES}")
    return project


def closed() -> set[str]:
    """Folders of the lakehouse that are the pipeline's, or of those who must see names; a layer's name is all of it."""
    page = (ROOT / "docs" / "reference" / "storage.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    folders = {row[0].strip("`") for row in rows if row[2].startswith("the pipeline")}
    return {folder.partition("/<")[0] for folder in folders} - {"ops/erasure"}  # what is sealed there names nobody


def is_open(file: Path, lakehouse: Path, closed: set[str]) -> bool:
    """May more than the pipeline read the file? The logs of closed tables are to tell nothing either."""
    if not file.is_relative_to(lakehouse):
        return True
    layer, *rest = file.relative_to(lakehouse).parts
    return "_delta_log" in rest or not {layer, "/".join([layer, *rest[:1]])} & closed


def said(project: Project) -> Iterator[tuple[str, str]]:
    """What commands show, and what watches a night is told."""
    for words in _COMMANDS:
        asked = [word.replace("{folder}", str(project.folder / "pages")) for word in words]
        found = CliRunner().invoke(app, [*asked, "--conf", str(project.conf)])
        assert found.exit_code == 0, (words, found.output)
        yield " ".join(words), found.output
    told = outcome(project.load(), project.release.date, since=datetime(2000, 1, 1, tzinfo=UTC))
    yield "a hook's message", json.dumps(message(told), default=str)
    yield "the file of metrics", metrics(told, at=datetime.now(UTC))


def views(project: Project, role: str) -> Iterator[tuple[str, str]]:
    night = open_release(str(project.folder / "lakehouse"), role=role, conf=project.conf)
    for table in night.tables:
        yield f"{table} as {role} sees it", night.pandas(table).to_csv()


def test_nobody_is_named_where_more_than_the_pipeline_may_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    (project.folder / "pages").mkdir()
    people, lakehouse = identifiers(project), project.folder / "lakehouse"
    assert len(people) > 300
    told = dict([*said(project), *views(project, "analyst"), *views(project, "blind")])
    places = [project.folder / name for name in ("logs", "exports", "pages", "mlartifacts")]
    files = {str(file): text for file, text in contents(lakehouse, *places) if is_open(file, lakehouse, closed())}
    files["mlflow.db"] = (project.folder / "mlflow.db").read_bytes().decode("utf-8", errors="replace")
    kinds = {Path(file).suffix for file in files}
    assert {".parquet", ".json", ".html", ".gz", ".db", ".md", ".yaml"} <= kinds
    found = {place: names for place, text in {**told, **files}.items() if (names := held([text], people))}
    assert found == {}
    # what looks is not blind itself
    restricted = open_release(str(lakehouse), restricted=True)
    assert len(held([restricted.pandas("customer").to_csv()], people)) > 100


def test_spark_shows_a_role_what_the_other_readers_show(project: Project, spark: SparkSession) -> None:
    night = open_release(str(project.folder / "lakehouse"), role="blind", conf=project.conf)
    for table in ("customer", "customer_profile", "tag_change", "order"):
        ours, theirs = night.arrow(table), night.spark(table).toArrow()
        assert ours.column_names == theirs.column_names and ours.num_rows == theirs.num_rows > 0
        masked = set(ours.column_names) - set(night.dataset(table).schema.names)
        assert [{str(value) for value in found[name].to_pylist()} for found in (ours, theirs) for name in masked] == [
            {str(value)} for _ in range(2) for value in (ours[name][0].as_py() for name in masked)
        ]
    assert set(night.pandas("customer")["full_name"]) == {"***"}


def test_spark_tells_a_role_of_the_same_members(project: Project, spark: SparkSession) -> None:
    night = open_release(str(project.folder / "lakehouse"), role="not_by_mail", conf=project.conf)
    everyone = set(open_release(str(project.folder / "lakehouse")).pandas("audience_member")["audience"])
    assert {"reachable", "coupon_mailings"} <= everyone
    ours, theirs = night.pandas("audience_member"), night.spark("audience_member").toPandas()
    assert set(ours["audience"]) == everyone - {"reachable", "slipping_regulars", "winter_mailing"}
    assert set(ours.itertuples(index=False)) == set(theirs.itertuples(index=False)) and len(ours) == len(theirs)
