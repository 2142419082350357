"""gold/campaign_result from the sums of its arms, and in words what they allow to be said."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from transforms.evaluation.campaign_sql import LOOKED_BACK, LOT
from transforms.evaluation.differences import Difference, Stratified, Sums, of_means, of_shares, stratified

LENGTH_DAYS = 30  # of a campaign whose source names no end
CLAIMED = 0.975  # of each of two intervals that a claim rests on, so that one in twenty claims of no effect is wrong
By = Mapping[int, Sums]  # stratum -> its customers


@dataclass(frozen=True)
class Plan:
    """A campaign that an audience names, and the days that count: `ends_on` is tonight's while it runs."""

    campaign_id: str
    audience: str
    starts_on: date
    ends_on: date
    over: bool
    cost: Decimal | None = None


@dataclass(frozen=True)
class Arm:
    """What an arm came to. `during`: in the campaign's days; `before`: in those before, for the placebo."""

    during: By
    before: By
    reach: int = 0
    response: int = 0

    @property
    def whole(self) -> Sums:
        return reduce(add, self.during.values(), Sums(0, 0, Decimal(0), Decimal(0)))

    @property
    def whole_before(self) -> Sums:
        return reduce(add, self.before.values(), Sums(0, 0, Decimal(0), Decimal(0)))


def plan_of(campaign: Mapping[str, Any], audience: str, started: date | None, day: date) -> Plan | None:
    """The plan by the campaign's row of silver (or the day of its first message); None: it has not begun by `day`."""
    starts_on = campaign.get("starts_on") or started
    if starts_on is None or starts_on > day:
        return None
    ends_on = campaign.get("ends_on") or starts_on + timedelta(days=LENGTH_DAYS - 1)
    return Plan(
        campaign["campaign_id"], audience, starts_on, min(ends_on, day), ends_on <= day, campaign.get("cost")
    )  # fmt: skip


def rows_of(plan: Plan, arms: Mapping[str, Arm], *, smallest_group: int, history: bool = True) -> list[dict[str, Any]]:
    """The rows of gold/campaign_result of one campaign. Grain: arm.

    `arms`: target and holdout, or sent and others. `history`: do the transactions reach back far enough for the
    placebo? Of an arm with fewer customers than the smallest group only its size is told, and of others no number that
    is about fewer; where so few bought, neither arm's purchases nor what the arms differ by, from which they follow.
    """
    names = LOT if LOT[0] in arms else LOOKED_BACK
    nobody = Arm({}, {})
    first, second = (arms.get(name, nobody) for name in names)
    few = any(0 < arm.whole.bought < smallest_group for arm in (first, second))
    rows = []
    for name, arm in zip(names, (first, second), strict=True):
        whole = arm.whole
        told = {"reach": arm.reach, "response": arm.response}
        shown: dict[str, Any] = {key: count for key, count in told.items() if not 0 < count < smallest_group}
        shown |= {} if few else {"conversion": whole.bought, "revenue": whole.spent}
        shown = shown if whole.customers >= smallest_group else {}
        rows.append({**_about(plan, names), "arm": name, "customers": whole.customers, **shown})
    found = _compared(plan, first, second, names, smallest_group, history)
    rows[0] |= {"cost": plan.cost, **(found if not few else {"claim": found["claim"]})}
    return rows


def _about(plan: Plan, names: Sequence[str]) -> dict[str, Any]:
    about = {name: value for name, value in asdict(plan).items() if name != "cost"}
    return {**about, "method": "holdout" if names == LOT else "observational"}


def _compared(
    plan: Plan, first: Arm, second: Arm, names: Sequence[str], smallest_group: int, history: bool
) -> dict[str, Any]:
    one, other = first.whole, second.whole
    if min(one.customers, other.customers) < max(smallest_group, 2):
        few = names[0] if one.customers < max(smallest_group, 2) else names[1]
        return {"claim": f"nothing can be said: too few customers in {few}"}
    if names == LOT:
        shares, means = of_shares(one, other), of_means(one, other)
        placebo = of_means(first.whole_before, second.whole_before) if history else None
        surer = of_shares(one, other, confidence=CLAIMED), of_means(one, other, confidence=CLAIMED)
        claim = drawn_claim(surer[0], surer[1], placebo, over=plan.over)
        return {**_told(Stratified(shares, means, 1.0), placebo), "claim": claim}
    found = stratified(first.during, second.during)
    if found is None:
        return {"claim": "nothing can be said: nobody who was not sent it had spent alike beforehand"}
    alike = stratified(first.before, second.before) if history else None
    before = alike.means if alike else None
    return {**_told(found, before), "claim": looked_back_claim(found.means, before)}


def _told(found: Stratified, placebo: Difference | None) -> dict[str, Any]:
    parts = {"uplift_conversion": found.shares, "uplift_revenue": found.means, "placebo": placebo}
    told: dict[str, Any] = {"covered": found.covered}
    for name, part in parts.items():
        if part:
            told |= {name: part.value, f"{name}_low": part.low, f"{name}_high": part.high}
    return told


def drawn_claim(shares: Difference, means: Difference, placebo: Difference | None, *, over: bool) -> str:
    """What a comparison with a holdout drawn by lot allows to be said, once, when the campaign is over.

    `shares`, `means`: with intervals of CLAIMED. Without a `placebo` the lot alone vouches that the arms were alike.
    """
    if not over:
        return "nothing is claimed while it runs: who looks each night sees an effect by chance sooner or later"
    if placebo is not None and placebo.shown:
        return "no cause can be claimed: the arms differed already before it began (the placebo is not 0)"
    told = [
        f"{'more' if part.value > 0 else 'less'} {what}"
        for what, part in (("conversion", shares), ("revenue", means))
        if part.shown
    ]
    return f"it caused {' and '.join(told)}" if told else "no effect is shown"


def looked_back_claim(means: Difference, placebo: Difference | None) -> str:
    """What a comparison of those who were sent it with others like them allows to be said: never a cause."""
    if placebo is None:
        return "no cause can be claimed: the data begins too late to check that the two were alike before"
    if placebo.shown:
        return "no effect can be claimed: the two differed already before it began (the placebo is not 0)"
    if not means.shown:
        return "no difference is shown"
    return f"they spent {'more' if means.value > 0 else 'less'} than others like them; that it caused this is not shown"
