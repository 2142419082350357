"""Segments as people read them: what sets each apart, how good the parting is, who moved; and what goes together."""

from transforms.schemas.shape import Column, Table

GOLD_SEGMENTATION = Table(
    "gold/segmentation",
    (
        Column("segmentation", "string", "the profile's column that holds the segment", "none", True),
        Column("tag", "string", "", "none", True),
        Column("kind", "string", "rfm, kmeans, lifecycle or rule", "none", True),
        Column("date", "date", "the business date on which it was judged", "none", True),
        Column("definition", "string", "hash of the definition and of all that it is built on", "none", True),
        Column("model_version", "int", "the fit that it was judged with; NULL: nothing is fitted", "none"),
        Column("customers", "bigint", "known customers", "none", True),
        Column("segments", "int", "segments with somebody in them", "none", True),
        Column("explained", "double", "relevant: share of the variance of next-period value (omega squared)", "none"),
        Column("value_from", "date", "the segments of that day against what was spent since; NULL: none yet", "none"),
        Column("coverage", "double", "measurable: share of known customers that have a segment", "none"),
        Column("smallest", "bigint", "actionable: customers in the smallest segment", "none"),
        Column("min_size", "bigint", "what a segment must hold to be acted on", "none", True),
        Column("silhouette", "double", "distinct: -1 to 1, over what it is built on", "none"),
        Column("moved", "double", "share of customers in another segment than the night before", "none"),
        Column("moved_without_facts", "double", "stable: the same, of those about whom nothing new came", "none"),
        Column("resample_ari", "double", "stable: agreement of fits on two halves; NULL: nothing is fitted", "none"),
        Column("warnings", "array<string>", "what falls short, in words", "none", True),
    ),
    key=("segmentation",),
)
GOLD_SEGMENT_PROFILE = Table(
    "gold/segment_profile",
    (
        Column("segmentation", "string", "the profile's column that holds the segment", "none", True),
        Column("segment", "string", "its value", "none", True),
        Column("tag", "string", "the profile's column that is compared; NULL: the segment as a whole", "none"),
        Column("date", "date", "the business date that is described", "none", True),
        Column("size", "bigint", "customers in the segment", "none", True),
        Column("value", "string", "the tag's value that tells most of the segment, or its range", "none"),
        Column("known", "bigint", "customers of the segment whose tag has a value; NULL: too few to be told", "none"),
        Column("count", "bigint", "those of them with this value; NULL: too few to be told", "none"),
        Column("share", "double", "count / known; of the segment as a whole: of the known customers", "none"),
        Column("base_share", "double", "the same over all known customers", "none"),
        Column("index", "double", "share / base share x 100", "none"),
        Column("low", "double", "95 % interval of the index (MOVER-R of Wilson limits)", "none"),
        Column("high", "double", "", "none"),
        Column("false_discovery", "double", "rate of false discoveries (Benjamini & Hochberg) at this one", "none"),
        Column("median", "double", "of a number: the segment's median", "none"),
        Column("base_median", "double", "of a number: everyone's", "none"),
        Column("sentence_en", "string", "the row in words", "none"),
        Column("sentence_zh", "string", "", "none"),
    ),
    key=("segmentation", "segment", "tag"),
)
GOLD_SEGMENT_MIGRATION = Table(
    "gold/segment_migration",
    (
        Column("date", "date", "the business date; from the newest release of an earlier one", "none", True),
        Column("segment", "string", "the profile's column that holds the segment", "none", True),
        Column("from_value", "string", "NULL: none, or not known then", "none"),
        Column("to_value", "string", "NULL: none, or not known any more", "none"),
        Column("customers", "bigint", "NULL: too few to be told", "none"),
    ),
    key=("date", "segment", "from_value", "to_value"),
    indexed=1,
)
GOLD_ASSOCIATION = Table(
    "gold/association",
    (
        Column("antecedent", "array<string>", "what is in a basket, in the order of the alphabet", "none", True),
        Column("consequent", "string", "what goes with it", "none", True),
        Column("support", "double", "share of baskets that hold both", "none", True),
        Column("confidence", "double", "share of the antecedent's baskets that hold the consequent", "none", True),
        Column("lift", "double", "confidence / share of all baskets with the consequent: against popularity", "none"),
        Column("baskets", "bigint", "baskets that hold both", "none", True),
    ),
    key=("antecedent", "consequent"),
)
GOLD_RECOMMENDATION = Table(
    "gold/recommendation",
    (
        Column("customer_id", "string", "", required=True),
        Column("rank", "int", "1 is best", "none", True),
        Column("item", "string", "", "none", True),
        Column("score", "double", "by the method: liking (als) or customers who bought it (popularity)", "none", True),
        Column("method", "string", "als or popularity", "none", True),
        Column("because", "string", "what the customer bought that speaks most for it; NULL: popular", "none"),
        Column("reason_en", "string", "", "none", True),
        Column("reason_zh", "string", "", "none", True),
    ),
    key=("customer_id", "rank"),
)
