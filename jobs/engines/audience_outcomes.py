"""What each audience means for each customer tonight, from one scan of the profile: by the driver, or all by Spark.

Spark tells who fulfils which rule. With the decisions of up to `MOST_BYTES` of customers the driver does the rest: it
has nothing to send from machine to machine, and writes a customer's id once where Spark writes it for each audience.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from jobs.runtime.night import Night
from transforms.audience_bits import bits, words
from transforms.audience_members import by_outcome, counted, members, outcomes
from transforms.audience_rows import counts_of, member_table, outcomes_of, parts
from transforms.audience_sql import consent_sql
from transforms.audiences import Audience, compile_rule
from transforms.expressions import Expression
from transforms.profile import PROFILE, profile_table
from transforms.schemas import GOLD_CUSTOMER

# What the driver takes: some 5 million customers and 50 audiences. At the peak, with copies, it has four times as much.
MOST_BYTES = 500_000_000
_ID_BYTES = 40


class Held:
    """What the driver holds. `rows`, `allowed`: see `audience_rows.outcomes_of`."""

    def __init__(self, audiences: Mapping[str, Audience], rows: pa.Table, allowed: Mapping[str, str]) -> None:
        self._audiences = list(audiences)
        self._parts = parts(rows, audiences)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._outcomes = list(pool.map(lambda part: outcomes_of(part, audiences, allowed), self._parts))

    def counts(self) -> dict[str, int]:
        """`<audience>.<outcome>` -> customers."""
        found = [counts_of(outcomes) for outcomes in self._outcomes]
        return {key: sum(part[key] for part in found) for key in found[0]}

    def members(self, shown: Collection[str], day: date) -> Iterator[pa.Table]:
        """gold/audience_member of the audiences in `shown`, part by part."""
        for part, found in zip(self._parts, self._outcomes, strict=True):
            yield member_table(part, found, audiences=self._audiences, shown=shown, day=day)


@dataclass(frozen=True)
class Spread:
    """What `outcomes` found, kept by Spark."""

    audiences: Collection[str]
    found: DataFrame

    def counts(self) -> dict[str, int]:
        """`<audience>.<outcome>` -> customers."""
        return by_outcome(counted(self.found).collect(), list(self.audiences))

    def members(self, shown: Collection[str], day: date) -> DataFrame:
        """gold/audience_member of the audiences in `shown`."""
        return members(self.found, audiences=list(self.audiences), shown=shown, day=day)


@contextmanager
def found_in(night: Night) -> Iterator[Held | Spread]:
    """The outcomes of the night's audiences, for as long as the block lasts."""
    a_customer = _ID_BYTES + 8 * len(words(night.conf.audiences)) + len(night.conf.audiences)
    if night.count(PROFILE) * a_customer <= MOST_BYTES:
        yield _held(night)
        return
    # read twice, for the sizes that decide what is withheld and for the members: kept, so that the profile is read once
    found = outcomes(
        night.load(PROFILE), night.load(GOLD_CUSTOMER), audiences=night.conf.audiences, rules=_rules(night),
        purposes=night.conf.privacy.purposes, day=night.day, as_of=night.as_of,
    ).persist(StorageLevel.MEMORY_AND_DISK)  # fmt: skip
    try:
        yield Spread(night.conf.audiences, found)
    finally:
        found.unpersist()


def _rules(night: Night) -> dict[str, Expression]:
    table, zone = profile_table(night.conf.tags), night.conf.pipeline.timezone
    rules = {name: compile_rule(audience, table, zone) for name, audience in night.conf.audiences.items()}
    return {name: rule for name, rule in rules.items() if rule}


def _held(night: Night) -> Held:
    told = bits(
        night.load(PROFILE), audiences=night.conf.audiences, rules=_rules(night), day=night.day, as_of=night.as_of
    ).toArrow()
    used = {one.purpose: night.conf.privacy.purposes[one.purpose] for one in night.conf.audiences.values()}
    asked = {name: purpose for name, purpose in used.items() if purpose.consent != "none"}
    allowed = {name: f"_may_{place}" for place, name in enumerate(asked)}
    if asked:
        decided = [f"{consent_sql(asked[name], name)} as {column}" for name, column in allowed.items()]
        told = _with_decisions(night, told, decided)
    return Held(night.conf.audiences, told, allowed)


def _with_decisions(night: Night, told: pa.Table, decided: Collection[str]) -> pa.Table:
    """Beside each customer what was decided; of one without a golden record no consent is known."""
    version = night.stage.inputs[GOLD_CUSTOMER.name] = night.versions[GOLD_CUSTOMER.name]
    with duckdb.connect() as duck:
        duck.register("told", told)
        duck.register("customer", night.lakehouse.dataset(GOLD_CUSTOMER.name, version))
        return duck.sql(
            f"select told.*, {', '.join(decided)} from told "
            "left join (select customer_id, consents from customer) using (customer_id)"
        ).to_arrow_table()
