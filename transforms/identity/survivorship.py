"""The golden record: of all that the sources say about a known customer, one value a field, and who said it."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import conform
from transforms.identity.definition import Identity, Rule
from transforms.schemas import GOLD_CUSTOMER, GOLDEN_FIELDS

_LAST = 2**63 - 1
_NEEDED = ("_node", "record_id", "source", "updated_at", *(column.name for column in GOLDEN_FIELDS))


def golden_records(
    records: DataFrame, contacts: DataFrame | None, consents: DataFrame | None, *, identity: Identity
) -> DataFrame:
    """gold/customer. Grain: known customer.

    records: record_id, customer_id, known (identity/record with the flag). contacts, consents: the silver views,
    None where no source gives any. A customer of whom no contact record is known has NULL in every field.
    """
    known = records.where("known").select(F.col("record_id").alias("_node"), "customer_id")
    if contacts is None:
        customers = known.select("customer_id").distinct()
    else:
        # the known records beside what is told of them: nobody is lost of whom nothing is told
        told = contacts.select(*_NEEDED).join(known, on="_node", how="inner")
        everybody = told.unionByName(known.select("customer_id"), allowMissingColumns=True)
        customers = everybody.transform(_survivors, identity=identity)
    if consents is None:
        return conform(customers, GOLD_CUSTOMER)
    return conform(customers.join(_decisions(known, consents), on="customer_id", how="left"), GOLD_CUSTOMER)


def _survivors(told: DataFrame, *, identity: Identity) -> DataFrame:
    """One row a customer: the surviving value of each field, as text, and its provenance.

    A field's rules narrow its candidates until one value is left. That is the least candidate in the order of the
    rules' scores, one after the other: once one value is left, later scores choose among its records only. Only
    most_frequent needs more than the record itself: it counts within what the rules before it left, so records
    are grouped by those rules' scores. Once shuffled by customer, nothing is shuffled again.
    """
    names = [column.name for column in GOLDEN_FIELDS]
    candidates = F.array(*(_candidate(name, identity) for name in names))
    given = F.filter(candidates, lambda candidate: candidate["value"].isNotNull())
    entry = F.struct("field", F.struct("best.value", "best.record_id"))
    survivors = (
        told.repartition("customer_id")
        .select("customer_id", "record_id", F.explode_outer(given).alias("c"))
        .groupBy("customer_id", "c.field", "c.value", "c.before")
        .agg(F.sum("c.counts").alias("times"), F.min(F.struct("c.after", "record_id")).alias("said"))
        .groupBy("customer_id", "field")
        .agg(F.min(F.struct("before", -F.col("times"), "said.after", "value", "said.record_id")).alias("best"))
        .groupBy("customer_id")
        .agg(F.map_from_entries(F.collect_list(F.when(F.col("field").isNotNull(), entry))).alias("kept"))
    )
    sources = F.transform_values("kept", lambda _, best: best["record_id"])
    return survivors.select(
        "customer_id",
        *(F.col("kept")[name]["value"].alias(name) for name in names),
        F.when(F.size("kept") > 0, sources).alias("provenance"),
    )


def _candidate(field: str, identity: Identity) -> Column:
    """What a record says of a field, with the scores of the rules before and after most_frequent; less is better."""
    rules = identity.rules(field)
    at = rules.index("most_frequent") if "most_frequent" in rules else len(rules)
    return F.struct(
        F.lit(field).alias("field"),
        F.col(field).cast("string").alias("value"),
        _scores(rules[:at], identity).alias("before"),
        _scores(rules[at + 1 :], identity).alias("after"),
        F.lit(int("most_frequent" in rules)).alias("counts"),
    )


def _scores(rules: tuple[Rule, ...], identity: Identity) -> Column:
    scores = {"most_trusted_source": _distrust(identity.trust), "most_recent": _age()}
    return F.array(*(scores[rule] for rule in rules if rule in scores)).cast("array<bigint>")


def _distrust(trust: tuple[str, ...]) -> Column:
    """The source's place in the order of trust; sources that are not in it come last, all alike."""
    place = F.array_position(F.array(*map(F.lit, trust)).cast("array<string>"), F.col("source"))
    return F.when(place > 0, place).otherwise(F.lit(len(trust) + 1))


def _age() -> Column:
    """Less is more recent, in microseconds; a record that tells no time comes last."""
    return F.coalesce(-F.unix_micros(F.coalesce("updated_at", "registered_at")), F.lit(_LAST))


def _decisions(known: DataFrame, consents: DataFrame) -> DataFrame:
    """Purpose -> the latest decision of the customer; of two at the same time the refusal."""
    latest = F.min(F.struct((-F.unix_micros("decided_at")).alias("ago"), "granted")).alias("last")
    entry = F.struct("purpose", "last.granted")
    return (
        known.join(consents.select("_node", "purpose", "decided_at", "granted"), on="_node", how="inner")
        .repartition("customer_id")
        .groupBy("customer_id", "purpose")
        .agg(latest)
        .groupBy("customer_id")
        .agg(F.map_from_entries(F.array_sort(F.collect_list(entry))).alias("consents"))
    )
