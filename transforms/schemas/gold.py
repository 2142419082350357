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
        Column("kind", "string", "rfm, kmeans or linkage", "none", True),
        Column("version", "int", "counts the fits of this tag", "none", True),
        Column("definition", "string", "hash of the definition that was fitted", "none", True),
        Column("fitted_on", "date", "business date of the fit", "none", True),
        Column("parameters", "string", "JSON: cut points, centres, …", "none", True),
        Column("quality", "string", "JSON: size shares, silhouette, …", "none", True),
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
