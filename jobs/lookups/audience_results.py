"""`portrait audience evaluate`: what campaigns changed, as the newest release holds it, and what that allows to say."""

from itertools import groupby
from typing import Any

from pyarrow import dataset as ds

from jobs.runtime.configuration import Configuration
from jobs.runtime.console import Screen
from jobs.runtime.reader import Reader
from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.evaluation.campaign_sql import PRE_DAYS
from transforms.schemas import GOLD_CAMPAIGN_RESULT

Row = dict[str, Any]
_CAN = {
    "holdout": (
        "The lot decided who was kept aside, so nothing but the campaign makes the two arms differ, beyond chance. "
        "What it caused is said when it is over, by intervals of 97.5 %, so that one claim in twenty is wrong where "
        "there is no effect; while it runs, an interval that does not hold 0 proves nothing. Arms are as they were "
        "drawn: who was not reached counts with those who were to be."
    ),
    "observational": (
        "Nobody was kept aside. Those who were sent it are set against others who had spent alike in the "
        f"{PRE_DAYS // 7} weeks before (in ten groups), which takes out that good customers are mailed more. It cannot "
        "take out what else made the sender choose them, nor what other campaigns did in the same weeks: it says who "
        "spent more, never that the campaign is why. The placebo is the same comparison for the weeks before the "
        "campaign; where it is not 0 the two differed without it, and the difference is no effect."
    ),
}


def show_results(conf: Configuration, name: str, screen: Screen) -> None:
    """Print the results of an audience's campaigns. Raises DefinitionError where there is nothing to evaluate."""
    reader = Reader(conf)
    rows = reader.where(GOLD_CAMPAIGN_RESULT, ds.field("audience") == name)
    if not rows:
        raise DefinitionError(_nothing(reader, conf, name))
    rows.sort(key=lambda row: (row["starts_on"], row["campaign_id"], row["claim"] is None))
    for _, arms in groupby(rows, key=lambda row: row["campaign_id"]):
        _show(list(arms), screen)
    for method in sorted({row["method"] for row in rows}):
        screen.say(_CAN[method])
        screen.say()
    claims = {method: _CAN[method] for method in sorted({row["method"] for row in rows})}
    screen.result({"audience": name, "release": reader.release.release, "results": rows, "claims": claims})


def _nothing(reader: Reader, conf: Configuration, name: str) -> str:
    audience = conf.audiences.get(name)
    if audience is None:
        return f"{name}: no such audience in conf/audiences{nearest(name, conf.audiences)}"
    if not audience.campaigns:
        return f"{audience.place}: campaigns: names none; add the ids of those that were sent to it"
    campaigns = ", ".join(audience.campaigns)
    return (
        f"{name}: release {reader.release.release} has no results of {campaigns}: they have not begun, no source knows "
        "them, or the next night evaluates them"
    )


def _show(arms: list[Row], screen: Screen) -> None:
    first = arms[0]
    until = first["ends_on"] if first["over"] else f"{first['ends_on']}, so far"
    screen.table(
        f"Campaign {first['campaign_id']}, {first['starts_on']} to {until} ({first['method']})",
        ["arm", "customers", "reached", "responded", "bought", "share", "revenue", "a customer"],
        [
            [row["arm"], row["customers"], row["reach"], row["response"], row["conversion"], *_shares(row)]
            for row in arms
        ],
    )
    differences = [
        ["share who bought, in points", *_part(first, "uplift_conversion", 100)],
        ["revenue a customer", *_part(first, "uplift_revenue")],
        [f"placebo: the {PRE_DAYS // 7} weeks before", *_part(first, "placebo")],
    ]
    shown = [row for row in differences if row[1] != ""]
    if shown:
        screen.table(f"{first['arm']} less {arms[-1]['arm']}", ["", "difference", "95 % interval"], shown)
    if first["covered"] is not None and first["covered"] < 1:
        screen.say(f"{1 - first['covered']:.1%} of them have nobody to be compared with and are left out")
    if first["cost"] is not None and first["uplift_revenue"] is not None:
        gained = first["uplift_revenue"] * first["customers"]
        screen.say(f"cost {float(first['cost']):,.2f}, against {gained:,.2f} more revenue of all {first['arm']}")
    screen.say(f"→ {first['claim']}")
    screen.say()


def _shares(row: Row) -> list[Any]:
    if row["revenue"] is None or not row["customers"]:
        return ["", "", ""]
    revenue = float(row["revenue"])
    return [f"{row['conversion'] / row['customers']:.1%}", f"{revenue:,.2f}", f"{revenue / row['customers']:,.2f}"]


def _part(row: Row, name: str, scale: int = 1) -> list[str]:
    if row[name] is None:
        return ["", ""]
    value, low, high = (row[key] * scale for key in (name, f"{name}_low", f"{name}_high"))
    return [f"{value:+,.2f}", f"{low:+,.2f} to {high:+,.2f}"]
