"""What people set by hand."""

from transforms.schemas.shape import Column, Table

GOLD_OVERRIDE = Table(
    "gold/override",
    (
        Column("id_type", "string", "the type of the identifier that it is tied to", "none", True),
        Column("id_value", "string", "the identifier", "personal", True),
        Column("field", "string", "a column of the profile, a field of the golden record, or both", "none", True),
        Column("value", "string", "as text; a list as JSON, a time in UTC", "sensitive", True),
        Column("reason", "string", "why, in the words of who set it", "personal", True),
        Column("set_by", "string", "who set it", "personal", True),
        Column("set_at", "timestamp", "UTC", "none", True),
        Column("until", "date", "the first business date without it; NULL: it has no end", "none"),
        Column("ended_at", "timestamp", "UTC; when it was unset or set anew; NULL: it was not", "none"),
        Column("ended_by", "string", "who unset it or set it anew", "personal"),
    ),
    key=("id_type", "id_value", "field", "set_at"),
)
