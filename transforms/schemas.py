"""Every table's columns: name, type, meaning, unit, sensitivity, and whether it may be missing. Constants only.

No Spark here, so that `portrait validate` and the readers without a JVM can use it;
`transforms.columns.conform` turns a Table into Spark types.
"""

from dataclasses import dataclass, field
from typing import Literal

Sensitivity = Literal["none", "normal", "personal", "sensitive"]

MONEY = "decimal(18,4)"
IDS = "map<string,array<string>>"


@dataclass(frozen=True)
class Column:
    """A column. `type` is Spark DDL; `required`: a row without it is refused."""

    name: str
    type: str
    comment: str
    sensitivity: Sensitivity = "normal"
    required: bool = False

    @property
    def told(self) -> str:
        """The comment that stands in the table's schema: meaning, unit, sensitivity."""
        return "; ".join(part for part in (self.comment, f"sensitivity: {self.sensitivity}") if part)


@dataclass(frozen=True)
class Table:
    """A table at `<lakehouse>/<name>`; `key` names one row.

    `indexed`: on so many leading columns Delta keeps minima and maxima. They cost time to write and stand in
    the log in clear, so only what is filtered on and tells nothing of a person is counted in.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    indexed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}


@dataclass(frozen=True)
class Entity:
    """What one kind of record holds, beside the common columns.

    `time` is the entity's own time (None for reference data: it has no moment).
    `changed` orders two versions of one record that came in the same file, newest last.
    `person`: each record describes one person, so it is a node of its own in the identity graph;
    other records are told apart only by the identifiers they give.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    time: str | None = None
    changed: str | None = None
    person: bool = False
    automatic_ids: dict[str, str] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}

    @property
    def table(self) -> Table:
        """silver/<entity>: every version of every record."""
        columns = (*COMMON_FIRST, *self.columns, *COMMON_LAST)
        return Table(f"silver/{self.name}", columns, key=("record_id", "_batch_date"), indexed=4)


def _c(name: str, type_: str, comment: str, sensitivity: Sensitivity = "normal", required: bool = False) -> Column:
    return Column(name, type_, comment, sensitivity, required)


# What is filtered and joined on stands first: Delta keeps statistics on the leading columns only.
COMMON_FIRST = (
    _c("_batch_date", "date", "business date of the run that took this version", "none", True),
    _c("_valid_to", "date", "business date from which a newer version replaced this one; NULL while current", "none"),
    _c("event_date", "date", "business day of event_at"),
    _c("event_at", "timestamp", "UTC; the entity's own time; NULL for reference entities"),
    _c("source", "string", "the source's name", "none", True),
    _c("record_id", "string", "source and key; stable", "personal", True),
    _c(
        "_node",
        "string",
        "the node of the identity graph that this record belongs to; NULL without identifiers",
        "personal",
    ),
)
COMMON_LAST = (
    _c("ids", IDS, "identifier type -> normalised values", "personal"),
    _c("_hash", "bigint", "xxhash64 of the canonical columns, to tell a changed record from a repeated one", "none"),
    _c("_file", "string", "the file it came in", "none"),
)

CONTACT = Entity(
    "contact",
    key=("contact_id",),
    changed="updated_at",
    person=True,
    automatic_ids={"email": "email", "phone": "phone"},
    columns=(
        _c("contact_id", "string", "the source's own key of the person", "personal", True),
        _c("full_name", "string", "given name first; a Chinese name family name first", "personal"),
        _c("given_name", "string", "", "personal"),
        _c("family_name", "string", "", "personal"),
        _c("gender", "string", "female, male or other"),
        _c("birth_date", "date", "", "personal"),
        _c("email", "string", "as mail is sent to it, in lower case", "personal"),
        _c("phone", "string", "E.164", "personal"),
        _c("country", "string", "ISO 3166-1 alpha-2"),
        _c("region", "string", "state, province"),
        _c("city", "string", ""),
        _c("district", "string", "district or county"),
        _c("postal_code", "string", "", "personal"),
        _c("street", "string", "street and house number", "personal"),
        _c("occupation", "string", ""),
        _c("education", "string", ""),
        _c("income", "string", "band as the source gives it", "sensitive"),
        _c("marital_status", "string", "", "sensitive"),
        _c("household_size", "int", "persons"),
        _c("language", "string", "ISO 639-1"),
        _c("registered_at", "timestamp", "UTC"),
        _c("updated_at", "timestamp", "UTC; when the source last changed the record"),
    ),
)
TRANSACTION = Entity(
    "transaction",
    key=("order_id", "line_no"),
    time="ordered_at",
    columns=(
        _c("order_id", "string", "", required=True),
        _c("line_no", "int", "", required=True),
        _c("ordered_at", "timestamp", "UTC", required=True),
        _c("product_id", "string", ""),
        _c("product_name", "string", ""),
        _c("category", "string", ""),
        _c("brand", "string", ""),
        _c("quantity", MONEY, "pieces; negative in a refund", required=True),
        _c("unit_price", MONEY, "in currency, per piece"),
        _c("discount", MONEY, "in the base currency, on the line; 0 or more"),
        _c("amount", MONEY, "in the base currency; negative in a refund"),
        _c("amount_local", MONEY, "as charged, in currency", required=True),
        _c("currency", "string", "ISO 4217", required=True),
        _c("channel", "string", ""),
        _c("store_id", "string", ""),
        _c("payment_method", "string", ""),
        _c("coupon", "string", ""),
        _c("status", "string", "purchase, refund or cancelled", required=True),
    ),
)
WEB_EVENT = Entity(
    "web_event",
    key=("event_id",),
    time="occurred_at",
    columns=(
        _c("event_id", "string", "", required=True),
        _c("occurred_at", "timestamp", "UTC", required=True),
        _c("session_id", "string", "the visit"),
        _c("event_type", "string", "view, product, cart, checkout, search, login, other"),
        _c("url", "string", "path and query", "personal"),
        _c("path", "string", ""),
        _c("query", "string", "", "personal"),
        _c("referrer", "string", "", "personal"),
        _c("product_id", "string", ""),
        _c("dwell_seconds", "int", "seconds until the visit's next hit; NULL on its last"),
        _c("ip", "string", "", "personal"),
        _c("user_agent", "string", "", "personal"),
        _c("device_type", "string", "mobile, tablet, desktop or bot"),
        _c("device_id", "string", "", "personal"),
        _c("os", "string", ""),
        _c("browser", "string", ""),
        _c("app_version", "string", ""),
        _c("country", "string", "ISO 3166-1 alpha-2"),
        _c("region", "string", ""),
        _c("status_code", "int", "HTTP"),
        _c("bytes", "bigint", ""),
        _c("is_bot", "boolean", ""),
    ),
    automatic_ids={"device": "device_id"},
)
SOCIAL_ACTIVITY = Entity(
    "social_activity",
    key=("activity_id",),
    time="occurred_at",
    columns=(
        _c("activity_id", "string", "", required=True),
        _c("occurred_at", "timestamp", "UTC", required=True),
        _c("platform", "string", ""),
        _c("handle", "string", "", "personal"),
        _c("action", "string", "post, like, share, comment or follow"),
        _c("text", "string", "", "personal"),
        _c("language", "string", "ISO 639-1"),
        _c("sentiment", "double", "-1 to 1"),
        _c("topics", "array<string>", ""),
        _c("counts", "map<string,bigint>", "likes, replies, …"),
    ),
    automatic_ids={"social_handle": "handle"},
)
CAMPAIGN_EVENT = Entity(
    "campaign_event",
    key=("event_id",),
    time="occurred_at",
    columns=(
        _c("event_id", "string", "", required=True),
        _c("occurred_at", "timestamp", "UTC", required=True),
        _c("campaign_id", "string", "", required=True),
        _c("channel", "string", ""),
        _c("event", "string", "sent, open, click, bounce, unsubscribe or convert", required=True),
    ),
)
LOYALTY_ACCOUNT = Entity(
    "loyalty_account",
    key=("member_id",),
    changed="updated_at",
    columns=(
        _c("member_id", "string", "", "personal", True),
        _c("tier", "string", ""),
        _c("points", "bigint", ""),
        _c("joined_at", "timestamp", "UTC"),
        _c("updated_at", "timestamp", "UTC"),
    ),
    automatic_ids={"loyalty_id": "member_id"},
)
CONSENT = Entity(
    "consent",
    key=("consent_id",),
    time="decided_at",
    columns=(
        _c("consent_id", "string", "", "personal", True),
        _c("decided_at", "timestamp", "UTC", required=True),
        _c("purpose", "string", "", required=True),
        _c("granted", "boolean", "", required=True),
    ),
)
PRODUCT = Entity(
    "product",
    key=("product_id",),
    columns=(
        _c("product_id", "string", "", "none", True),
        _c("name", "string", "", "none"),
        _c("category", "string", "", "none"),
        _c("brand", "string", "", "none"),
        _c("list_price", MONEY, "in the base currency", "none"),
    ),
)
CAMPAIGN = Entity(
    "campaign",
    key=("campaign_id",),
    columns=(
        _c("campaign_id", "string", "", "none", True),
        _c("name", "string", "", "none"),
        _c("channel", "string", "", "none"),
        _c("cost", MONEY, "in the base currency", "none"),
        _c("starts_on", "date", "", "none"),
        _c("ends_on", "date", "", "none"),
    ),
)
ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        CONTACT, TRANSACTION, WEB_EVENT, SOCIAL_ACTIVITY, CAMPAIGN_EVENT, LOYALTY_ACCOUNT, CONSENT, PRODUCT, CAMPAIGN,
    )
}  # fmt: skip

BRONZE_COLUMNS = (
    _c("_batch_date", "date", "business date of the run that took it", "none", True),
    _c("_file", "string", "the file it came in", "none", True),
    _c("_ingested_at", "timestamp", "UTC; when the run that took it began", "none", True),
    _c("_corrupt", "string", "the raw text of a record that could not be split into columns", "personal"),
)
QUARANTINE = Table(
    "silver/quarantine",
    (
        _c("_batch_date", "date", "business date of the run that refused it", "none", True),
        _c("source", "string", "", "none", True),
        _c("entity", "string", "", "none", True),
        _c("_file", "string", "the file it came in", "none"),
        _c("reasons", "array<string>", "every rule that the row violates", "none", True),
        _c("raw", "string", "the raw columns as JSON", "personal"),
    ),
)

IDENTITY_EDGE = Table(
    "identity/edge",
    (
        _c("left_type", "string", "'record', always", "none", True),
        _c("left_value", "string", "a node: silver's _node", "personal", True),
        _c("right_type", "string", "an identifier type, or 'record'", "none", True),
        _c("right_value", "string", "the identifier's value, or a node", "personal", True),
        _c(
            "rule",
            "string",
            "gives (the record gives the identifier), same (by hand), or the matching rule",
            "none",
            True,
        ),
        _c("weight", "double", "strength of the tie: 1 / priority of the identifier's type", "none", True),
        _c("source", "string", "the record's source", "none", True),
        _c("first_seen", "date", "business date on which the tie was first landed", "none", True),
        _c("last_seen", "date", "business date on which it was last landed", "none", True),
    ),
    key=("left_value", "right_type", "right_value"),
)
IDENTITY_RECORD = Table(
    "identity/record",
    (
        _c("record_id", "string", "a node: silver's _node", "personal", True),
        _c("customer_id", "string", "", required=True),
    ),
    key=("record_id",),
)
LEDGER = Table(
    "identity/customer_id",
    (
        _c("id_type", "string", "", "none", True),
        _c("id_value", "string", "", "personal", True),
        _c("customer_id", "string", "", required=True),
        _c("known", "boolean", "the customer has an identifier of a type in known_by", "none", True),
        _c("valid_from", "date", "", "none", True),
        _c("valid_to", "date", "exclusive; NULL while it holds", "none"),
    ),
    key=("id_type", "id_value", "valid_from"),
)
IDENTITY_CHANGE = Table(
    "identity/change",
    (
        _c("run_id", "string", "", "none", True),
        _c("date", "date", "", "none", True),
        _c("kind", "string", "new, merge, split or retire", "none", True),
        _c("customer_id", "string", "the id that the change made, kept or ended", required=True),
        _c("from_ids", "array<string>", "the ids it came from"),
        _c("cause", "string", "", "none"),
    ),
)
IDENTITY_CONFLICT = Table(
    "identity/conflict",
    (
        _c("date", "date", "", "none", True),
        _c("kind", "string", "hub, cap, blocked or cut", "none", True),
        _c("id_type", "string", "", "none", True),
        _c("id_value", "string", "", "personal", True),
        _c("members", "bigint", "how many records the value touches", "none"),
        _c("detail", "string", "why", "none"),
    ),
)

# The golden record: one value a field of `contact`, and where each came from.
GOLDEN_FIELDS = tuple(column for column in CONTACT.columns if column.name not in ("contact_id", "updated_at"))
GOLD_CUSTOMER = Table(
    "gold/customer",
    (
        _c("customer_id", "string", "", required=True),
        *GOLDEN_FIELDS,
        _c("consents", "map<string,boolean>", "purpose -> the latest decision; of two at the same time the refusal"),
        _c("provenance", "map<string,string>", "field -> the record that gave it", "personal"),
    ),
    key=("customer_id",),
)
GOLD_MODEL = Table(
    "gold/model",
    (
        _c("tag", "string", "the tag that was fitted", "none", True),
        _c("kind", "string", "rfm or kmeans", "none", True),
        _c("version", "int", "counts the fits of this tag", "none", True),
        _c("definition", "string", "hash of the definition that was fitted", "none", True),
        _c("fitted_on", "date", "business date of the fit", "none", True),
        _c("parameters", "string", "JSON: cut points, centres, …", "none", True),
        _c("quality", "string", "JSON: size shares, silhouette, …", "none", True),
    ),
    key=("tag",),
)
GOLD_AUDIENCE = Table(
    "gold/audience",
    (
        _c("date", "date", "", "none", True),
        _c("audience", "string", "", "none", True),
        _c("definition", "string", "hash of the definition", "none", True),
        _c("rule", "string", "the where of the definition", "none"),
        _c("purpose", "string", "", "none", True),
        _c("size", "bigint", "customers in it, both arms; 0 where withheld", "none", True),
        _c("target", "bigint", "customers to reach", "none", True),
        _c("holdout", "bigint", "customers kept aside", "none", True),
        _c("left_out", "map<string,bigint>", "why -> customers left out (no_consent, except, too_small)", "none", True),
    ),
    key=("date", "audience"),
)
GOLD_AUDIENCE_MEMBER = Table(
    "gold/audience_member",
    (
        _c("date", "date", "", "none", True),
        _c("audience", "string", "", "none", True),
        _c("customer_id", "string", "", required=True),
        _c("arm", "string", "target or holdout", "none", True),
    ),
    key=("date", "audience", "customer_id"),
)

OPS_RUN = Table(
    "ops/run",
    (
        _c("run_id", "string", "", "none", True),
        _c("date", "date", "the business date", "none", True),
        _c("status", "string", "running, released, failed or stopped", "none", True),
        _c("at", "timestamp", "UTC; when the run came to this status", "none", True),
        _c("started_at", "timestamp", "UTC", "none", True),
        _c("base_release", "bigint", "the release it starts from; NULL for the first night", "none"),
        _c("configuration", "string", "hash of every YAML file", "none", True),
        _c("code_version", "string", "", "none", True),
        _c("options", "string", "JSON: --again, --full-refresh, …", "none"),
        _c("seconds", "double", "", "none"),
        _c("error", "string", "", "none"),
    ),
)
OPS_STAGE = Table(
    "ops/stage",
    (
        _c("run_id", "string", "", "none", True),
        _c("date", "date", "the business date", "none", True),
        _c("stage", "string", "", "none", True),
        _c("status", "string", "done or failed", "none", True),
        _c("at", "timestamp", "UTC; when it ended", "none", True),
        _c("seconds", "double", "", "none", True),
        _c("jobs", "bigint", "Spark jobs it ran", "none"),
        _c("rows", "bigint", "rows written", "none", True),
        _c("inputs", "map<string,bigint>", "table -> version read", "none", True),
        _c("outputs", "map<string,bigint>", "table -> version written", "none", True),
        _c("figures", "string", "JSON: what the stage counted, for the report", "none"),
        _c("error", "string", "", "none"),
    ),
)
OPS_FILE = Table(
    "ops/file",
    (
        _c("source", "string", "", "none", True),
        _c("path", "string", "below the folder that the source's read.path fixes", "none", True),
        _c("size", "bigint", "bytes", "none", True),
        _c("modified_at", "timestamp", "UTC", "none", True),
        _c("file_date", "date", "the {date} of its path", "none"),
        _c("_batch_date", "date", "business date of the run that took it", "none", True),
    ),
    key=("source", "path"),
)
OPS_QUALITY = Table(
    "ops/quality",
    (
        _c("run_id", "string", "", "none", True),
        _c("date", "date", "the business date", "none", True),
        _c("at", "timestamp", "UTC; of a check that one run tells twice the later counts", "none", True),
        _c("table", "string", "", "none", True),
        _c("source", "string", "", "none"),
        _c("check", "string", "", "none", True),
        _c("dimension", "string", "completeness validity uniqueness consistency timeliness accuracy", "none", True),
        _c("rows", "bigint", "rows looked at", "none", True),
        _c("failed", "bigint", "rows that failed", "none", True),
        _c("share", "double", "failed / rows; 0 where there were none", "none", True),
        _c("gate", "string", "quarantine, warn or stop", "none", True),
        _c("passed", "boolean", "", "none", True),
    ),
)
OPS_LINEAGE = Table(
    "ops/lineage",
    (
        _c("run_id", "string", "", "none", True),
        _c("stage", "string", "", "none", True),
        _c("output", "string", "table, or tag", "none", True),
        _c("output_version", "bigint", "", "none"),
        _c("input", "string", "table", "none", True),
        _c("input_version", "bigint", "", "none"),
    ),
)
OPS_RELEASE = Table(
    "ops/release",
    (
        _c("release", "bigint", "counts up; readers take the newest", "none", True),
        _c("run_id", "string", "", "none", True),
        _c("date", "date", "the business date", "none", True),
        _c("released_at", "timestamp", "UTC", "none", True),
        _c("cause", "string", "night restore override erasure maintenance replay", "none", True),
        _c("versions", "map<string,bigint>", "table -> version: one consistent state", "none", True),
        _c("configuration", "string", "hash of every YAML file", "none", True),
    ),
)
OPS_EXPORT = Table(
    "ops/export",
    (
        _c("run_id", "string", "", "none", True),
        _c("date", "date", "the business date", "none", True),
        _c("export", "string", "", "none", True),
        _c("release", "bigint", "the release that it reads", "none", True),
        _c("delivered_at", "timestamp", "UTC", "none", True),
        _c("path", "string", "the folder that holds the manifest", "none", True),
        _c("mode", "string", "full or changes", "none", True),
        _c("definition", "string", "hash of the definition", "none", True),
        _c("rows", "bigint", "", "none", True),
        _c("counts", "map<string,bigint>", "added changed removed merged", "none", True),
    ),
)

FIXED_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *(entity.table for entity in ENTITIES.values()),
        QUARANTINE, IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, IDENTITY_CHANGE, IDENTITY_CONFLICT,
        GOLD_CUSTOMER, GOLD_MODEL, GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER,
        OPS_RUN, OPS_STAGE, OPS_FILE, OPS_QUALITY, OPS_LINEAGE, OPS_RELEASE, OPS_EXPORT,
    )
}  # fmt: skip
