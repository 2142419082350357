"""Who is in each audience, and who is left out and why. All audiences come from one scan of the profile."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Any, Literal

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.audiences import Audience, levels
from transforms.columns import conform
from transforms.expressions import Expression
from transforms.privacy import Purpose
from transforms.schemas import GOLD_AUDIENCE_MEMBER

OUTCOMES = ("target", "holdout", "no_consent", "except")
NOBODYS = -1
HOLDOUT_STEPS = 1_000_000
EVERYBODY = ("true", "TRUE", "True")


def outcomes(
    profile: DataFrame,
    customers: DataFrame,
    *,
    audiences: Mapping[str, Audience],
    rules: Mapping[str, Expression],
    purposes: Mapping[str, Purpose],
    day: date,
    as_of: datetime,
) -> DataFrame:
    """What audiences mean for each customer. Grain: known customer, and audience that it comes into question for.

    Columns: customer_id, code (see `spelt`); and a row with NOBODYS for each customer, so that all are counted.
    `rules`: audience -> its compiled `where`. Consent counts for the audience's own purpose only: an audience built on
    another takes that one's people before their consent was looked at.
    """
    fulfils = {
        f"_in_{name}": F.coalesce(rule.column(day=day, as_of=as_of), F.lit(False)) for name, rule in rules.items()
    }
    flagged = profile.select("customer_id", *(flag.alias(name) for name, flag in fulfils.items()))
    chosen = reduce(
        # a step of its own for each level keeps audiences of audiences from being unfolded again and again
        lambda rows, level: rows.withColumns({f"_of_{name}": _member(audiences[name]) for name in level}),
        levels(audiences),
        flagged,
    )
    # numbers in one array, for a column an audience would be written, shuffled and kept at many times their size
    codes = [_code(audience, place) for place, audience in enumerate(audiences.values())]
    may = {name: f"_may_{place}" for place, name in enumerate(sorted({one.purpose for one in audiences.values()}))}
    allowed = [consents(purposes[name], name).alias(column) for name, column in may.items()]
    return (
        chosen.select("customer_id", F.array(F.lit(NOBODYS).cast("smallint"), *codes).alias("_codes"))
        .join(customers.select("customer_id", *allowed), "customer_id", "left")
        .select("customer_id", *may.values(), F.explode("_codes").alias("_code"))
        .where(F.col("_code").isNotNull())
        .select("customer_id", _with_consent(audiences, purposes, may).alias("code"))
    )


def spelt(found: DataFrame, audiences: Sequence[str]) -> DataFrame:
    """customer_id, audience, outcome (of OUTCOMES) from `outcomes`. `audiences`: their names, in its order."""
    place, outcome = F.expr(f"code div {len(OUTCOMES)}"), F.col("code") % len(OUTCOMES)
    names, words = (F.array(*map(F.lit, texts)) for texts in (audiences or [""], OUTCOMES))
    return found.where(F.col("code") != NOBODYS).select(
        "customer_id",
        F.get(names, place.cast("int")).alias("audience"),
        F.get(words, outcome.cast("int")).alias("outcome"),
    )


def _code(audience: Audience, place: int) -> SparkColumn:
    """The outcome before consent is looked at; NULL where the customer does not come into question."""
    first = place * len(OUTCOMES)
    code = {outcome: F.lit(first + OUTCOMES.index(outcome)).cast("smallint") for outcome in OUTCOMES}
    return (
        F.when(~_candidate(audience), F.lit(None))
        .when(_excepted(audience), code["except"])
        .when(held_out(F.col("customer_id"), audience), code["holdout"])
        .otherwise(code["target"])
    )


def _with_consent(
    audiences: Mapping[str, Audience], purposes: Mapping[str, Purpose], may: Mapping[str, str]
) -> SparkColumn:
    """The code, that of no_consent where the customer would be in an arm and may not be used for its purpose.

    `may`: purpose -> the column that tells whether the customer may.
    """
    arms: dict[str, list[int]] = {name: [] for name in may}
    for place, audience in enumerate(audiences.values()):
        arms[audience.purpose] += [place * len(OUTCOMES) + OUTCOMES.index(arm) for arm in ("target", "holdout")]
    code = F.col("_code")
    refused = code - code % len(OUTCOMES) + OUTCOMES.index("no_consent")
    # of a customer without a golden record no decision is known
    denied = [
        code.isin(codes) & ~F.coalesce(F.col(may[name]), F.lit(purposes[name].consent != "opt_in"))
        for name, codes in arms.items()
    ]
    return F.when(_any(denied), refused).otherwise(code)


def _any(columns: Sequence[SparkColumn]) -> SparkColumn:
    return reduce(or_, columns, F.lit(False))


def _candidate(audience: Audience) -> SparkColumn:
    own = [F.col(f"_in_{audience.audience}")] if audience.where is not None else []
    return _any([*own, *(F.col(f"_of_{name}") for name in audience.union)])


def _excepted(audience: Audience) -> SparkColumn:
    return _any([F.col(f"_of_{name}") for name in audience.except_])


def _member(audience: Audience) -> SparkColumn:
    return _candidate(audience) & ~_excepted(audience)


def consents(purpose: Purpose, name: str) -> SparkColumn:
    """May a customer with these `consents` (purpose -> decision) be used for the purpose? Never NULL.

    opt_in: only where granted; opt_out: unless refused; none: always.
    """
    decision = F.col("consents").getItem(name)
    kinds: dict[Literal["opt_in", "opt_out", "none"], SparkColumn] = {
        "opt_in": F.coalesce(decision, F.lit(False)),
        "opt_out": F.coalesce(decision, F.lit(True)),
        "none": F.lit(True),
    }
    return kinds[purpose.consent]


def held_out(customer_id: SparkColumn, audience: Audience) -> SparkColumn:
    """Is the customer kept aside? By a hash of audience and customer, so that nobody else's coming or going tells.

    xxhash64 (seed 42) of the text `<audience>/<customer_id>`, in millionths: another audience draws another lot.
    """
    if not audience.holdout:
        return F.lit(False)
    lot = F.pmod(F.xxhash64(F.concat(F.lit(f"{audience.audience}/"), customer_id)), F.lit(HOLDOUT_STEPS))
    return lot < round(audience.holdout * HOLDOUT_STEPS)


def counted(found: DataFrame, audiences: Sequence[str]) -> dict[str, int]:
    """How many customers there are (`customers`), and came to which outcome (`<audience>.<outcome>`). One Spark job."""
    numbers = {row["code"]: row["count"] for row in found.groupBy("code").count().collect()}
    every = [f"{name}.{outcome}" for name in audiences for outcome in OUTCOMES]
    return {"customers": numbers.get(NOBODYS, 0)} | {key: numbers.get(code, 0) for code, key in enumerate(every)}


def summaries(
    counts: Mapping[str, int], *, audiences: Mapping[str, Audience], day: date, smallest_group: int
) -> list[dict[str, Any]]:
    """The rows of gold/audience from what `counted` gave. Grain: audience. Sizes are customers.

    An audience with fewer customers than its `min_size`, or than the smallest group that may be shown, is
    withheld: its size is 0 and `left_out` holds them as too_small.
    """

    def row(audience: Audience) -> dict[str, Any]:
        found = {outcome: counts[f"{audience.audience}.{outcome}"] for outcome in OUTCOMES}
        size = found["target"] + found["holdout"]
        withheld = 0 < size < max(audience.min_size, smallest_group)
        left_out = {"no_consent": found["no_consent"], "except": found["except"], "too_small": size if withheld else 0}
        return {
            "date": day,
            "audience": audience.audience,
            "definition": audience.definition_hash,
            "rule": audience.where,
            "purpose": audience.purpose,
            "size": 0 if withheld else size,
            "target": 0 if withheld else found["target"],
            "holdout": 0 if withheld else found["holdout"],
            "left_out": {reason: number for reason, number in left_out.items() if number},
        }

    return [row(audience) for audience in audiences.values()]


def told_of(row: Mapping[str, Any], *, customers: int) -> str | None:
    """What the people who own an audience should know of its row, of so many known customers; None: all is well."""
    if "too_small" in row["left_out"]:
        return "withheld, fewer customers than its min_size or the smallest group"
    if not row["size"]:
        return "nobody is in it"
    everybody = row["size"] + row["left_out"].get("no_consent", 0) == customers
    if everybody and row["rule"] not in EVERYBODY:
        return "everybody is in it, its rule leaves nobody out; if that is meant, write where: 'true'"
    return None


def members(found: DataFrame, audiences: Sequence[str], *, shown: Sequence[str], day: date) -> DataFrame:
    """gold/audience_member of the audiences that are not withheld. Grain: audience, customer."""
    reached = F.col("audience").isin(*shown) & F.col("arm").isin("target", "holdout")
    rows = spelt(found, audiences).withColumnRenamed("outcome", "arm").where(reached if shown else F.lit(False))
    return rows.withColumn("date", F.lit(day)).transform(conform, GOLD_AUDIENCE_MEMBER)
