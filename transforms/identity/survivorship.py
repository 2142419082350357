"""The golden record: of all that the sources say about a known customer, one value a field, and who said it."""

from collections.abc import Callable, Mapping

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from transforms.columns import conform
from transforms.identity.definition import Identity, Rule
from transforms.schemas import GOLD_CUSTOMER, GOLDEN_FIELDS

_LAST = 2**63 - 1
_FIELDS = tuple(column.name for column in GOLDEN_FIELDS)
# A source registers people when it does: that two do so at other times is no difference between them.
COMPARED = tuple(name for name in _FIELDS if name != "registered_at")
OF_CONTACT = ("_node", "record_id", "source", "updated_at", *_FIELDS)
OF_CONSENT = ("_node", "purpose", "decided_at", "granted")


def golden_records(
    records: DataFrame,
    contacts: DataFrame | None,
    consents: DataFrame | None,
    *,
    identity: Identity,
    seen: Observation | None = None,
) -> DataFrame:
    """gold/customer. Grain: known customer.

    records: record_id, customer_id, known (identity/record with the flag). contacts, consents: the silver views,
    None where no source gives any. A customer of whom no contact record is known has NULL in every field.
    seen: counts, while the rows are written, of whom sources say different things; see `disagreements`.
    """
    known = records.where("known").select(F.col("record_id").alias("_node"), "customer_id")
    if contacts is None:
        customers = known.select("customer_id").distinct()
    else:
        # the known records beside what is told of them: nobody is lost of whom nothing is told
        told = contacts.select(*OF_CONTACT).join(known, on="_node", how="inner")
        everybody = told.unionByName(known.select("customer_id"), allowMissingColumns=True)
        customers = everybody.transform(_survivors, identity=identity)
        customers = customers.observe(seen, *_counts()) if seen else customers
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
    everybody = F.lit("").alias("customer")  # told of each customer, so that nobody is lost on the way
    texts = (F.col(name).cast("string").alias(name) for name in _FIELDS)
    before = _by_field(identity, lambda rules: _scores(rules[: _frequency(rules)])).alias("before")
    after = _by_field(identity, lambda rules: _scores(rules[_frequency(rules) :])).alias("after")
    rarity = _by_field(identity, lambda rules: -F.col("times") if "most_frequent" in rules else F.lit(0))
    entry = F.when(F.col("field") != "customer", F.struct("field", F.struct("best.value", "best.record_id")))
    return (
        told.select("customer_id", "record_id", "source", _distrust(identity.trust), _age(), everybody, *texts)
        .repartition("customer_id")
        .unpivot(["customer_id", "record_id", "source", "distrust", "age"], ["customer", *_FIELDS], "field", "value")
        .where(F.col("value").isNotNull())
        .groupBy("customer_id", "field", before, "value")
        .agg(
            F.count("*").alias("times"),
            F.min(F.struct(after, "record_id")).alias("said"),
            F.min("source").alias("one"),
            F.max("source").alias("other"),
        )
        .groupBy("customer_id", "field")
        .agg(
            F.min(F.struct("before", rarity, "said.after", "value", "said.record_id")).alias("best"),
            (F.min("one") < F.max("other")).alias("compared"),
            (F.min(F.lower("value")) < F.max(F.lower("value"))).alias("several"),
        )
        .groupBy("customer_id")
        .agg(
            F.map_from_entries(F.collect_list(entry)).alias("kept"),
            F.collect_list(F.when(F.col("compared"), F.col("field"))).alias("_compared"),
            F.collect_list(F.when(F.col("compared") & F.col("several"), F.col("field"))).alias("_differ"),
        )
        .select(
            "customer_id",
            *(F.col("kept")[name]["value"].alias(name) for name in _FIELDS),
            _provenance(),
            "_compared",
            "_differ",
        )
    )


def _counts() -> list[Column]:
    """For each field of how many customers two sources give it, and of how many they give it differently.

    With more than one source and more than one value there are always two sources that differ. Case is no difference.
    """
    return [
        F.count_if(F.array_contains(column, name)).alias(f"{column}_{name}")
        for name in COMPARED
        for column in ("_compared", "_differ")
    ]


def disagreements(seen: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Field -> of how many customers two sources `told` it, and of how many they `differ`; fields told at all."""
    return {
        name: {"told": seen[f"_compared_{name}"], "differ": seen[f"_differ_{name}"]}
        for name in COMPARED
        if seen.get(f"_compared_{name}")
    }


def _by_field(identity: Identity, make: Callable[[tuple[Rule, ...]], Column]) -> Column:
    """What `make` makes of the rules of the row's field; fields with the same rules share it."""
    lists = sorted({identity.rules(name) for name in _FIELDS})
    fields = {rules: [name for name in _FIELDS if identity.rules(name) == rules] for rules in lists}
    return F.coalesce(*(F.when(F.col("field").isin(names), make(rules)) for rules, names in fields.items()))


def _frequency(rules: tuple[Rule, ...]) -> int:
    """The place of most_frequent among the rules; behind them all where it is not."""
    return rules.index("most_frequent") if "most_frequent" in rules else len(rules)


def _scores(rules: tuple[Rule, ...]) -> Column:
    """Less is better."""
    scores = {"most_trusted_source": "distrust", "most_recent": "age"}
    return F.array(*(scores[rule] for rule in rules if rule in scores)).cast("array<bigint>")


def _distrust(trust: tuple[str, ...]) -> Column:
    """The source's place in the order of trust; sources that are not in it come last, all alike."""
    place = F.array_position(F.array(*map(F.lit, trust)).cast("array<string>"), F.col("source"))
    return F.when(place > 0, place).otherwise(F.lit(len(trust) + 1)).alias("distrust")


def _age() -> Column:
    """Less is more recent, in microseconds; a record that tells no time comes last."""
    return F.coalesce(-F.unix_micros(F.coalesce("updated_at", "registered_at")), F.lit(_LAST)).alias("age")


def _provenance() -> Column:
    sources = F.transform_values("kept", lambda _, best: best["record_id"])
    return F.when(F.size("kept") > 0, sources).alias("provenance")


def _decisions(known: DataFrame, consents: DataFrame) -> DataFrame:
    """Purpose -> the latest decision of the customer; of two at the same time the refusal."""
    latest = F.min(F.struct((-F.unix_micros("decided_at")).alias("ago"), "granted")).alias("last")
    entry = F.struct("purpose", "last.granted")
    return (
        known.join(consents.select(*OF_CONSENT), on="_node", how="inner")
        .repartition("customer_id")
        .groupBy("customer_id", "purpose")
        .agg(latest)
        .groupBy("customer_id")
        .agg(F.map_from_entries(F.array_sort(F.collect_list(entry))).alias("consents"))
    )
