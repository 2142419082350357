"""`transforms/` is pure: it never imports `jobs`, acts on nothing, and knows neither clock nor chance."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end.project import ROOT

FILES = sorted((ROOT / "transforms").rglob("*.py"))
# what makes Spark run, reads or writes, or differs from run to run
ACTIONS = {"collect", "toPandas", "toArrow", "toLocalIterator", "write", "current_date", "current_timestamp", "uuid"}
OF_SPARK = {"F", "spark"}
CHANCE_AND_READS = {"rand", "randn", "shuffle", "read", "sql", "table"}


def broken(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            yield from (name for name in names if name.split(".")[0] == "jobs")
        elif isinstance(node, ast.Attribute):
            of = node.value.id if isinstance(node.value, ast.Name) else ""
            acts = node.attr in ACTIONS and of != "self"  # a class may have a field of that name
            if acts or (of in OF_SPARK and node.attr in CHANCE_AND_READS):
                yield f"{of or '…'}.{node.attr}"


def test_the_core_is_pure() -> None:
    assert len(FILES) > 100
    found = {str(file.relative_to(ROOT)): list(broken(ast.parse(file.read_text(encoding="utf-8")))) for file in FILES}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "text", ["from jobs.runtime import night", "import jobs", "df.count().collect()", "F.rand(7)", "df.write.save()"]
)
def test_what_breaks_the_rule_is_seen(text: str) -> None:
    assert list(broken(ast.parse(text)))


def test_what_only_reads_does_not_import_spark() -> None:
    """It would be a quarter of what such a command takes."""
    lookups = ", ".join(f"jobs.lookups.{name}" for name in ("access", "customer", "query"))
    look = f"import sys, jobs.runtime.configuration, {lookups}; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
