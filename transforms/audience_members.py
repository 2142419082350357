"""Who is in each audience, and who is left out and why. All audiences come from one scan of the profile."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Any, Literal

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from transforms.audience_bits import bits, has
from transforms.audience_lots import held_out
from transforms.audiences import Audience, levels
from transforms.columns import conform
from transforms.expressions import Expression
from transforms.privacy import Purpose, as_decided
from transforms.schemas import GOLD_AUDIENCE_MEMBER

OUTCOMES = ("target", "holdout", "no_consent", "except")
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
    """What each audience means for each customer. Grain: known customer.

    Columns: customer_id, and `outcomes`, one of each audience in their order: its place in `OUTCOMES`, or NULL where
    the customer does not come into question. `rules`: audience -> its compiled `where`.
    Consent counts for the audience's own purpose only: an audience built on another takes that one's people
    before their consent was looked at.
    """
    may = {name: f"_may_{place}" for place, name in enumerate(sorted({one.purpose for one in audiences.values()}))}
    allowed = customers.select(
        "customer_id", *(consents(purposes[name], name).alias(column) for name, column in may.items())
    )
    told = bits(profile, audiences=audiences, rules=rules, day=day, as_of=as_of)
    flagged = told.join(allowed, "customer_id", "left")
    chosen = reduce(
        # a step of its own for each level keeps audiences of audiences from being unfolded again and again
        lambda rows, level: rows.withColumns({f"_of_{name}": _member(audiences[name], audiences) for name in level}),
        levels(audiences),
        flagged,
    )
    each = (
        _outcome(audience, audiences, _allowed(may[audience.purpose], purposes[audience.purpose]))
        for audience in audiences.values()
    )
    # bytes in one list: texts in a column an audience took most of the time to keep and to take apart again
    return chosen.select("customer_id", F.array(*each).alias("outcomes"))


def _allowed(column: str, purpose: Purpose) -> SparkColumn:
    """Of a customer without a golden record no decision is known."""
    return F.coalesce(F.col(column), F.lit(purpose.consent != "opt_in"))


def _any(columns: Sequence[SparkColumn]) -> SparkColumn:
    return reduce(or_, columns, F.lit(False))


def _candidate(audience: Audience, audiences: Collection[str]) -> SparkColumn:
    own = [has(audience.audience, audiences)] if audience.where is not None else []
    return _any([*own, *(F.col(f"_of_{name}") for name in audience.union)])


def _excepted(audience: Audience) -> SparkColumn:
    return _any([F.col(f"_of_{name}") for name in audience.except_])


def _member(audience: Audience, audiences: Collection[str]) -> SparkColumn:
    return _candidate(audience, audiences) & ~_excepted(audience)


def _outcome(audience: Audience, audiences: Collection[str], allowed: SparkColumn) -> SparkColumn:
    target, holdout, no_consent, excepted = (F.lit(place).cast("tinyint") for place in range(len(OUTCOMES)))
    return (
        F.when(~_candidate(audience, audiences), F.lit(None))
        .when(_excepted(audience), excepted)
        .when(~allowed, no_consent)
        .when(held_out(F.col("customer_id"), audience), holdout)
        .otherwise(target)
    )


def consents(purpose: Purpose, name: str) -> SparkColumn:
    """May a customer with these `consents` (purpose -> decision) be used for the purpose? Never NULL.

    opt_in: only where granted; opt_out: unless refused; none: always.
    """
    decision = F.col("consents").getItem(as_decided(name))
    kinds: dict[Literal["opt_in", "opt_out", "none"], SparkColumn] = {
        "opt_in": F.coalesce(decision, F.lit(False)),
        "opt_out": F.coalesce(decision, F.lit(True)),
        "none": F.lit(True),
    }
    return kinds[purpose.consent]


def counted(found: DataFrame) -> DataFrame:
    """How many customers came to which outcome (its place) of which audience (its place). Grain: audience, outcome."""
    return _each(found).groupBy("audience", "outcome").count()


def by_outcome(rows: Iterable[Row], audiences: Sequence[str]) -> dict[str, int]:
    """The rows of `counted`: `<audience>.<outcome>`, 0 where there is none, -> customers."""
    none = {f"{name}.{outcome}": 0 for name in audiences for outcome in OUTCOMES}
    return none | {f"{audiences[row['audience']]}.{OUTCOMES[row['outcome']]}": row["count"] for row in rows}


def _each(found: DataFrame) -> DataFrame:
    """What `outcomes` found, a row for each audience that a customer comes into question for."""
    rows = found.select("customer_id", F.posexplode("outcomes").alias("audience", "outcome"))
    return rows.where(F.col("outcome").isNotNull())


def summaries(
    counts: Mapping[str, int], *, audiences: Mapping[str, Audience], day: date, smallest_group: int
) -> list[dict[str, Any]]:
    """The rows of gold/audience from what `by_outcome` gave. Grain: audience. Sizes are customers.

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


def members(found: DataFrame, *, audiences: Sequence[str], shown: Collection[str], day: date) -> DataFrame:
    """gold/audience_member of the audiences that are not withheld. Grain: audience, customer.

    `audiences`: all, in the order of `found`; `shown`: those that are not withheld.
    """
    names, arms = (F.array(*map(F.lit, texts)).cast("array<string>") for texts in (audiences, OUTCOMES))
    reached = [OUTCOMES.index(arm) for arm in ("target", "holdout")]
    places = [place for place, name in enumerate(audiences) if name in shown]
    rows = _each(found).where(F.col("audience").isin(places) & F.col("outcome").isin(reached))
    return rows.select(
        "customer_id", names[F.col("audience")].alias("audience"), arms[F.col("outcome")].alias("arm"),
        F.lit(day).alias("date"),
    ).transform(conform, GOLD_AUDIENCE_MEMBER)  # fmt: skip
