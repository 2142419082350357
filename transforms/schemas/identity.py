"""Who is who: ties, owners of records, the ledger of customer ids, and what was not believed."""

from transforms.schemas.shape import Column, Table

IDENTITY_EDGE = Table(
    "identity/edge",
    (
        Column(
            "left_type", "string", "'record'; an identifier type where two are said to be of one person", "none", True
        ),
        Column("left_value", "string", "a node: silver's _node", "personal", True),
        Column("right_type", "string", "an identifier type, or 'record'", "none", True),
        Column("right_value", "string", "the identifier's value, or a node", "personal", True),
        Column(
            "rule",
            "string",
            "gives (the record gives the identifier), same (said by hand) or match (two records alike)",
            "none",
            True,
        ),
        Column(
            "weight",
            "double",
            "strength of the tie: 1 / priority of the identifier's type, a match's probability, 1 by hand",
            "none",
            True,
        ),
        Column("source", "string", "the record's source", "none", True),
        Column("first_seen", "date", "business date on which the tie was first landed", "none", True),
        Column("last_seen", "date", "business date on which it was last landed", "none", True),
    ),
    key=("left_type", "left_value", "right_type", "right_value", "rule"),
)
IDENTITY_RECORD = Table(
    "identity/record",
    (
        Column("record_id", "string", "a node: silver's _node", "personal", True),
        Column("customer_id", "string", "", required=True),
    ),
    key=("record_id",),
)
LEDGER = Table(
    "identity/customer_id",
    (
        Column("id_type", "string", "", "none", True),
        Column("id_value", "string", "", "personal", True),
        Column("customer_id", "string", "", required=True),
        Column("known", "boolean", "the customer has an identifier of a type in known_by", "none", True),
        Column("valid_from", "date", "", "none", True),
        Column("valid_to", "date", "exclusive; NULL while it holds", "none"),
    ),
    key=("id_type", "id_value", "valid_from"),
)
IDENTITY_CHANGE = Table(
    "identity/change",
    (
        Column("run_id", "string", "", "none", True),
        Column("date", "date", "", "none", True),
        Column("kind", "string", "new, merge, split or retire", "none", True),
        Column("customer_id", "string", "the id that the change made, kept or ended", required=True),
        Column("from_ids", "array<string>", "the ids it came from"),
        Column("cause", "string", "", "none"),
    ),
)
IDENTITY_CONFLICT = Table(
    "identity/conflict",
    (
        Column("date", "date", "", "none", True),
        Column(
            "kind", "string", "hub, cap, blocked, cut, or unheard (a decision by hand without effect)", "none", True
        ),
        Column("id_type", "string", "an identifier type, or 'record'", "none", True),
        Column("id_value", "string", "the identifier's value, or a node", "personal", True),
        Column("members", "bigint", "how many records the value touches", "none"),
        Column("detail", "string", "why", "none"),
    ),
    indexed=1,
)
