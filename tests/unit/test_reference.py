"""The reference pages say what the code says."""

from jobs.project.reference import FOLDER, pages
from transforms.schemas import FIXED_TABLES


def test_the_pages_are_those_of_the_code() -> None:
    for name, text in pages().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name} is out of date: make reference"


def test_every_table_and_command_is_told() -> None:
    told = pages()
    assert all(f"### {name}\n" in told["tables.md"] for name in FIXED_TABLES)
    assert "## portrait run\n" in told["commands.md"] and "| `--full-refresh` |" in told["commands.md"]
    assert "| `on_fail` | `quarantine` `warn` `stop` | `quarantine` |" in told["configuration.md"]
