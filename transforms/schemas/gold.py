"""What people outside the pipeline read."""

from transforms.schemas.people import CONTACT
from transforms.schemas.shape import Column, Table

# The golden record: one value a field of `contact`, and where each came from.
GOLDEN_FIELDS = tuple(column for column in CONTACT.columns if column.name not in ("contact_id", "updated_at"))
GOLD_CUSTOMER = Table(
    "gold/customer",
    (
        Column("customer_id", "string", "", required=True),
        *GOLDEN_FIELDS,
        Column(
            "consents", "map<string,boolean>", "purpose -> the latest decision; of two at the same time the refusal"
        ),
        Column("provenance", "map<string,string>", "field -> the record that gave it", "personal"),
    ),
    key=("customer_id",),
)
GOLD_MODEL = Table(
    "gold/model",
    (
        Column("tag", "string", "the tag that was fitted; identity: matching for what matches records", "none", True),
        Column("kind", "string", "what was fitted: rfm, kmeans, churn, …, linkage", "none", True),
        Column("version", "int", "counts the fits of this tag", "none", True),
        Column("definition", "string", "hash of the definition that was fitted", "none", True),
        Column("fitted_on", "date", "business date of the fit", "none", True),
        Column("parameters", "string", "JSON: cut points, centres, …; {}: none, or in tag/model", "none", True),
        Column("quality", "string", "JSON: size shares, silhouette, …", "none", True),
        Column("mlflow_run", "string", "the run's name in MLflow's experiment portrait; NULL: not logged", "none"),
        Column("mlflow_version", "int", "the model version in MLflow's registry", "none"),
    ),
    key=("tag",),
)
# A model's parameters hold values of the tags that it looks at.
TAG_MODEL = Table(
    "tag/model",
    (
        Column("tag", "string", "a personal or sensitive tag, of its row of gold/model the rest", "none", True),
        Column("parameters", "string", "JSON: cut points, centres, …", "sensitive", True),
        Column("quality", "string", "JSON: size shares, silhouette, …", "sensitive", True),
    ),
    key=("tag",),
)
GOLD_AUDIENCE = Table(
    "gold/audience",
    (
        Column("date", "date", "", "none", True),
        Column("audience", "string", "", "none", True),
        Column("definition", "string", "hash of the definition", "none", True),
        Column("rule", "string", "the where of the definition", "none"),
        Column("purpose", "string", "", "none", True),
        Column("size", "bigint", "customers in it, both arms; 0 where withheld", "none", True),
        Column("target", "bigint", "customers to reach", "none", True),
        Column("holdout", "bigint", "customers kept aside", "none", True),
        Column(
            "left_out", "map<string,bigint>", "why -> customers left out (no_consent, except, too_small)", "none", True
        ),
        Column(
            "cut_by", "array<string>", "the profile's columns that its rule, or one it is built on, looks at", "none"
        ),
    ),
    key=("date", "audience"),
)
GOLD_AUDIENCE_MEMBER = Table(
    "gold/audience_member",
    (
        Column("date", "date", "", "none", True),
        Column("audience", "string", "", "none", True),
        Column("customer_id", "string", "", required=True),
        Column("arm", "string", "target or holdout", "none", True),
    ),
    key=("date", "audience", "customer_id"),
)
GOLD_TAG_CATALOG = Table(
    "gold/tag_catalog",
    (
        Column("date", "date", "the business date", "none", True),
        Column("run_id", "string", "the run that computed it", "none", True),
        Column("tag", "string", "", "none", True),
        Column("place", "string", "its file", "none", True),
        Column("category", "string", "the folders, the outermost first, with / between them", "none"),
        Column("title_en", "string", "", "none"),
        Column("title_zh", "string", "", "none"),
        Column("description", "string", "", "none"),
        Column("owner", "string", "", "none"),
        Column("version", "int", "a changed meaning has a new one", "none", True),
        Column("status", "string", "draft online offline retired", "none", True),
        Column("kind", "string", "where its values come from", "none", True),
        Column("type", "string", "", "none"),
        Column("unit", "string", "", "none"),
        Column("values", "array<string>", "of an enum: those allowed, in their order", "none"),
        Column("purposes", "array<string>", "what it may be used for", "none"),
        Column("sensitivity", "string", "normal personal sensitive", "none"),
        Column("max_age", "int", "days; its sources silent for longer: NULL", "none"),
        Column("yaml", "string", "the whole definition as it was written", "none"),
        Column("definition", "string", "hash of what its values depend on", "none", True),
        Column("meaning", "string", "the same with every tag that it is built on", "none", True),
        Column("columns", "map<string,string>", "the profile's columns that it gives -> type", "none", True),
        Column("depends_on", "array<string>", "the tags that it is built on", "none"),
        Column("reads", "array<string>", "the entities that it and those are made from", "none"),
        Column("used_by", "array<string>", "tag:…, audience:…, export:…", "none"),
        Column("customers", "bigint", "known customers that night; NULL: it is not computed", "none"),
        Column("known", "bigint", "those for whom its first column has a value", "none"),
        Column("coverage", "double", "known / customers", "none"),
        Column("distinct_values", "bigint", "of its first column", "none"),
        Column("distribution", "string", "JSON: column -> how its values are distributed", "none"),
        Column("changed", "bigint", "customers whose value is another than the night before", "none"),
        Column("drift", "double", "population stability index of its first column against the last release", "none"),
        Column("fresh_as_of", "date", "the business date by which every source of it had delivered", "none"),
        Column("stale", "string", "why it is NULL for everybody; NULL: it is not", "none"),
        Column("gone_since", "date", "the first night without its file", "none"),
    ),
    key=("date", "tag"),
    indexed=1,
)
GOLD_TAG_CHANGE = Table(
    "gold/tag_change",
    (
        Column("date", "date", "the business date", "none", True),
        Column("customer_id", "string", "", required=True),
        Column("tag", "string", "the profile's column; customer_id: the customer came or went", "none", True),
        Column("old", "string", "the value before, as text (a list as JSON); NULL: none", "sensitive"),
        Column("new", "string", "the value now", "sensitive"),
        Column("cause", "string", "new data time definition refit merge split override stale", "none", True),
        Column("run_id", "string", "the run that changed it", "none", True),
    ),
    key=("run_id", "customer_id", "tag"),
    indexed=1,
)
