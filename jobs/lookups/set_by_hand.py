"""What is set by hand for a customer, for the commands that show one. Read without Spark."""

from typing import Any

from jobs.engines.overrides import held_in
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader

Row = dict[str, Any]


def of_customer(reader: Reader, customer: str) -> list[Row]:
    """The customer's overrides in force, by field, the one that holds first; `holds` tells which those are."""
    found = held_in(reader.lakehouse, reader.release.versions, reader.release.date)
    mine = sorted((field, rows) for (owner, field), rows in found.items() if owner == customer)
    return [{**row, "holds": place == 0} for _, rows in mine for place, row in enumerate(rows)]


def show_set(rows: list[Row], screen: Screen) -> None:
    """Print them; nothing where there are none."""
    if rows:
        lines = [
            [row["field"], row["value"], row["set_by"], f"{row['set_at']:%Y-%m-%d %H:%M}", row["until"] or "",
             row["reason"], row["id_type"], "" if row["holds"] else "set anew since, by another identifier"]
            for row in rows
        ]  # fmt: skip
        screen.table("set by hand", ["field", "value", "by", "at (UTC)", "until", "why", "tied to", ""], lines)
