"""What the audience commands withhold because it is about too few, and because it would tell what is withheld."""

import random
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from jobs.lookups.audience_list import protected, show_overlap
from jobs.lookups.audience_moves import Moves
from jobs.runtime import releases
from jobs.runtime.tables import Lakehouse, arrow_schema
from tests.unit.released import Shown
from transforms.schemas import GOLD_AUDIENCE_MEMBER

DAY = date(2026, 3, 1)


def overlap(folder: Path, audiences: dict[str, range]) -> dict[tuple[str, str], Any]:
    house = Lakehouse(str(folder / "lakehouse"))
    rows = [
        {"date": DAY, "audience": name, "customer_id": f"c{one:03}", "arm": "target"}
        for name, ones in audiences.items()
        for one in ones
    ]
    version = house.write(
        GOLD_AUDIENCE_MEMBER, pa.Table.from_pylist(rows, arrow_schema(GOLD_AUDIENCE_MEMBER)), mode="overwrite"
    )
    releases.publish(
        house, run_id="r", day=DAY, cause="night", versions={GOLD_AUDIENCE_MEMBER.name: version}, configuration="c"
    )
    screen = Shown()
    conf: Any = SimpleNamespace(
        lakehouse=house.uri,
        pipeline=SimpleNamespace(timezone="UTC"),
        privacy=SimpleNamespace(smallest_group=10),
    )
    show_overlap(conf, screen, [])
    return {(row["audience"], row["other"]): (row["customers"], row["of"]) for row in screen.found["overlap"]}


def test_audiences_that_differ_by_few_do_not_tell_of_them(tmp_path: Path) -> None:
    told = overlap(tmp_path, {"all": range(100), "most": range(97), "half": range(50), "tiny": range(3)})
    assert told["all", "all"] == (100, 100)
    assert told["all", "half"] == (50, 100) and told["half", "all"] == (50, 50)
    assert told["all", "most"] == (None, 100) and told["most", "all"] == (None, 97)  # three are in one alone
    assert told["tiny", "tiny"] == (None, None) and told["half", "tiny"] == (None, 50)


def test_changes_of_few_are_not_told_nor_what_gives_them_away() -> None:
    found = Moves(
        300, 207, {"consent given": 7}, {"consent withdrawn": 60, "tag spend": 40}, {"its holdout changed": 12}
    )
    told = protected(found, smallest=10)
    # 300 - 207 = 93 more left than entered: whoever knew that 100 left would know of the 7
    assert told["totals"] == {"entered": None, "left": None, "arms": 12}
    assert told["entered"] == {"consent given": None}
    assert told["left"] == {"consent withdrawn": 60, "tag spend": None}
    many = protected(Moves(100, 130, {"consent given": 25, "a new customer": 25, "tag spend": 2}, {}, {}), smallest=10)
    assert many["totals"]["entered"] == 52  # so another reason covers the 2
    assert sorted(n is None for n in many["entered"].values()) == [False, True, True]


def test_what_changes_tells_leaves_no_few_to_be_worked_out() -> None:
    chance = random.Random(3)
    for _ in range(300):
        entered, left, arms = (
            {f"why {n}": chance.choice([1, 4, 9, 15, 40]) for n in range(chance.randint(0, 4))} for _ in range(3)
        )
        found = Moves(1000, 1000 + sum(entered.values()) - sum(left.values()), entered, left, arms)
        told = protected(found, smallest=10)
        for key, counts in (("entered", entered), ("left", left), ("arms", arms)):
            hidden = [why for why, number in told[key].items() if number is None]
            assert all(counts[why] >= 10 for why in counts if why not in hidden)
            if hidden and told["totals"][key] is not None:  # the sum of what is hidden is known
                assert len(hidden) > 1 and sum(counts[why] for why in hidden) >= 10
        for one, other in (("entered", "left"), ("left", "entered")):  # one's total tells the other's
            known = told["totals"][other] is not None or all(n is not None for n in told[other].values())
            if 0 < sum({"entered": entered, "left": left}[one].values()) < 10 and told[other]:
                assert not known
