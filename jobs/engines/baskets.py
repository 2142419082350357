"""What customers bought, for recommendations: from silver in one Spark job each, and what goes together in baskets."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.customer_rows import nodes_of
from jobs.runtime.night import Night
from transforms.errors import ModelError
from transforms.models.basket_rules import LONGEST, basket_recalls
from transforms.models.recommended import Bought
from transforms.recommendations import Association, Recommendation, compiled
from transforms.schemas import GOLD_CUSTOMER, IDENTITY_RECORD

# The most rows (customer and item) that come to the driver: about 2 GB.
MOST_PAIRS = 20_000_000
# The most rules that are kept: those with the greatest lift.
MOST_RULES = 10_000
# Baskets that rules are judged on, and the popular things that they are held against.
JUDGED_BASKETS, MOST_POPULAR = 2_000, 200


def bought(night: Night, part: Recommendation, *, cut: date | None) -> pa.Table:
    """customer_id, item, weight, last; with a `cut` also what was so by its end (weight_then, last_then), whether
    anything was bought after it (after), and what the item is called (name). Grain: customer × item. One Spark job.

    Raises ModelError where there is more than the driver holds.
    """
    columns = {"weight": F.sum("_weight"), "last": F.max("event_date")}
    if cut:
        then = F.col("event_date") <= F.lit(cut)
        columns |= {
            "weight_then": F.sum(F.when(then, F.col("_weight"))), "last_then": F.max(F.when(then, F.col("event_date"))),
            "after": F.max(~then), "name": F.max("_name"),
        }  # fmt: skip
    known = night.load(GOLD_CUSTOMER).select("customer_id")
    rows = _rows(night, part).join(nodes_of(night, known), "_node")
    pairs = rows.groupBy("customer_id", F.col("_of").alias("item")).agg(*(c.alias(n) for n, c in columns.items()))
    found = pairs.limit(MOST_PAIRS + 1).toArrow()
    if found.num_rows > MOST_PAIRS:
        raise ModelError(f"recommendation: more than {MOST_PAIRS:,} customers and items; narrow window or where")
    return found.sort_by([("customer_id", "ascending"), ("item", "ascending")])


def _rows(night: Night, part: Association | Recommendation) -> DataFrame:
    """The rows that count: `_node`, event_date, `_of` (never NULL) and the other expressions of the part."""
    found = compiled(part, timezone=night.conf.pipeline.timezone)
    values = {f"_{key}": found[key].column(day=night.day, as_of=night.as_of) for key in found if key != "where"}
    if "_weight" in values:
        values["_weight"] = values["_weight"].try_cast("decimal(18,4)")
    values.setdefault("_name", F.lit(None).cast("string"))
    recent = F.col("event_date") > F.lit(night.day - timedelta(days=part.window))
    shown = night.view(part.from_).where(recent & found["where"].column(day=night.day, as_of=night.as_of))
    return shown.select("_node", "event_date", *(c.alias(name) for name, c in values.items())).where("_of is not null")


def as_bought(table: pa.Table, weight: str = "weight", last: str = "last") -> Bought:
    """Rows of `bought` whose weight is above 0."""
    amount = np.asarray(table[weight].cast(pa.float64()).fill_null(0.0).to_numpy(), dtype=float)
    days = table[last].to_numpy().astype("datetime64[D]")
    customer, item = (np.array(table[name].to_pylist(), dtype=object) for name in ("customer_id", "item"))
    return Bought(customer, item, amount, days).where(amount > 0)


def names_of(table: pa.Table) -> dict[str, str]:
    """Item -> what it is called: of several names the last by the alphabet."""
    named: dict[str, str] = {}
    for item, name in zip(table["item"].to_pylist(), table["name"].to_pylist(), strict=True):
        if name and name > named.get(item, ""):
            named[item] = name
    return named


def rules(night: Night, part: Association, *, cut: date, least: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The rows of gold/association, each of at least `least` people's baskets, and how well such rules foretell.

    By FP-growth (Han, Pei & Yin 2000) in Spark. The recalls at 10 of rules and of popularity are those of rules over
    the baskets up to the end of the day `cut`, on some of the baskets after it.
    Raises ModelError where there are fewer than `least` baskets.
    """
    rows = _rows(night, part).where("_basket is not null")
    columns = (
        F.array_sort(F.collect_set("_of")).alias("items"),
        F.max("event_date").alias("day"),
        F.min("_node").alias("_node"),
    )
    baskets = rows.groupBy("_basket").agg(*columns).persist()
    try:
        total = baskets.count()
        if total < least:
            raise ModelError(f"association: {total} baskets in the window, fewer than the {least} of a rule")
        then = baskets.where(F.col("day") <= F.lit(cut))
        later = baskets.where(F.col("day") > F.lit(cut)).orderBy(F.xxhash64("_basket"), "_basket").limit(JUDGED_BASKETS)
        popular = then.select(F.explode("items").alias("item")).groupBy("item").count()
        first = [row.item for row in popular.orderBy(F.desc("count"), "item").limit(MOST_POPULAR).collect()]
        support = max(part.min_support, (least - 0.5) / total)
        known = _grown(then, part, support) if first else []
        judged = basket_recalls(known, first, [row["items"] for row in later.collect()], top=10)
        found = _shared(_buyers(night, baskets), _grown(baskets, part, support), least)
    finally:
        baskets.unpersist()
    return [{**row, "baskets": round(row["support"] * total)} for row in found], judged


def _buyers(night: Night, baskets: DataFrame) -> DataFrame:
    """Whose each basket is (`buyer`): the customer's, or else the record's; one that names nobody is somebody's own."""
    owners = night.load(IDENTITY_RECORD).select(F.col("record_id").alias("_node"), "customer_id")
    buyer = F.coalesce("customer_id", "_node", "_basket")
    return baskets.join(owners, "_node", "left").select("items", buyer.alias("buyer"))


def _shared(baskets: DataFrame, found: list[dict[str, Any]], least: int) -> list[dict[str, Any]]:
    """The rules whose things at least `least` buyers had in one basket: many baskets may be one household's."""
    together = {_things(rule) for rule in found}
    if not together:
        return []
    # met by that of its things which is in the fewest sets, so that a basket is held against few
    uses = Counter(thing for things in together for thing in things)
    first = [min(things, key=lambda thing: (uses[thing], thing)) for things in together]
    sets = pa.table({"first": first, "things": [list(things) for things in together]})
    one = baskets.select("buyer", "items", F.explode("items").alias("first"))
    held = one.join(F.broadcast(baskets.sparkSession.createDataFrame(sets)), "first")
    whole = held.where(F.size(F.array_intersect("items", "things")) == F.size("things"))
    counted = whole.groupBy("things").agg(F.count_distinct("buyer").alias("buyers")).where(F.col("buyers") >= least)
    enough = {tuple(row.things) for row in counted.collect()}
    return [rule for rule in found if _things(rule) in enough]


def _things(rule: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({*rule["antecedent"], rule["consequent"]}))


def _grown(baskets: DataFrame, part: Association, support: float) -> list[dict[str, Any]]:
    """The rules over baskets (`items`) with at least so much support, the greatest lift first.

    Each antecedent is in the order of the alphabet. Longer ones say the same of ever fewer baskets, and are left out.
    """
    from pyspark.ml.fpm import FPGrowth

    model = FPGrowth(minSupport=support, minConfidence=part.min_confidence).fit(baskets)
    short = model.associationRules.where(F.size("antecedent") <= LONGEST)
    ordered = short.select(
        F.array_sort("antecedent").alias("antecedent"),
        F.element_at("consequent", 1).alias("consequent"),
        "support", "confidence", "lift",
    ).orderBy(F.desc("lift"), F.desc("support"), "consequent", "antecedent")  # fmt: skip
    return [row.asDict() for row in ordered.limit(MOST_RULES).collect()]
