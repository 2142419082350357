"""A lakehouse as Portrait wrote it before layouts were told, made from one that today's wrote.

`layout_1.json` says which tables and columns there were. It comes from the schemas of that time, where git has them:
`python -m tests.end_to_end.older_store COMMIT` writes it again.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from jobs.runtime.commits import KEPT_LOG
from jobs.runtime.releases import all_releases
from jobs.runtime.tables import Lakehouse, arrow_schema, dataset_of
from tests.end_to_end.project import Project
from transforms.schemas import FIXED_TABLES, OPS_RELEASE

LAYOUT_1 = Path(__file__).with_name("layout_1.json")
_SAY = """
import json
from transforms.schemas import FIXED_TABLES
told = {table.name: {column.name: column.type for column in table.columns} for table in FIXED_TABLES.values()}
print(json.dumps(told, indent=1, sort_keys=True))
"""
Layout = dict[str, dict[str, str]]


def layout_at(commit: str) -> str:
    """Table -> column -> type, as JSON, by the schemas of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "transforms"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
        told = subprocess.run(
            [sys.executable, "-c", _SAY], cwd=folder, env={**os.environ, "PYTHONPATH": folder}, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
    return told.stdout


def made_older(project: Project) -> None:
    """Write the project's lakehouse anew in layout 1: its releases, with the tables and columns that there were."""
    layout: Layout = json.loads(LAYOUT_1.read_text())
    today = project.folder / "lakehouse"
    older = today.rename(today.with_name("of_today"))
    lakehouse, known = Lakehouse(str(older)), set(layout)
    versions: list[dict[str, int]] = []
    for release in all_releases(lakehouse):
        named = {}
        for table, version in release.versions.items():
            if table in known or table not in FIXED_TABLES:
                named[table] = _put(today, table, lakehouse, version, layout)
        versions.append(named)
    for table in sorted(name for name in layout if name.startswith("ops/") and name not in versions[-1]):
        if (older / table).is_dir():
            _put(today, table, lakehouse, None, layout, versions)
    shutil.rmtree(older)


def _put(
    to: Path, table: str, lakehouse: Lakehouse, version: int | None, layout: Layout,
    versions: list[dict[str, int]] | None = None,
) -> int:  # fmt: skip
    """Write a table's content at a version in its columns of then. Gives the version that it has there."""
    opened = DeltaTable(lakehouse.path(table), version=version)
    rows, about = dataset_of(opened).to_table(), opened.metadata()
    if table in layout:
        rows = _as_then(rows, layout[table])
    if table == OPS_RELEASE.name and versions is not None:
        rows = rows.sort_by("release")
        maps = pa.array([list(named.items()) for named in versions], arrow_schema(OPS_RELEASE).field("versions").type)
        rows = rows.set_column(rows.schema.get_field_index("versions"), "versions", maps)
    path = str(to / table)
    settings = {name: value for name, value in about.configuration.items() if name not in KEPT_LOG}
    write_deltalake(
        path, rows, mode="overwrite", schema_mode="overwrite", partition_by=about.partition_columns or None,
        configuration=settings,
    )  # fmt: skip
    return int(DeltaTable(path).version())


def _as_then(rows: pa.Table, columns: dict[str, str]) -> pa.Table:
    """The columns of then alone; what is gone since holds a number."""
    for name in columns:
        if name not in rows.column_names:
            assert columns[name] == "double", f"{name}: what did it hold?"
            rows = rows.append_column(name, pa.array([0.25 * n for n in range(len(rows))], pa.float64()))
    return rows.select(list(columns))


if __name__ == "__main__":
    LAYOUT_1.write_text(layout_at(sys.argv[1]))
