"""What analysts read of what customers did: orders, visits, and the path over all channels. Pseudonymous."""

from transforms.schemas.shape import MONEY, Column, Table

_CUSTOMER = Column("customer_id", "string", "the customer, known or not; NULL: no identifier came with it")
GOLD_ORDER = Table(
    "gold/order",
    (
        _CUSTOMER,
        Column("source", "string", "the source that tells of it", "none", True),
        Column("order_id", "string", "the source's number of the order", required=True),
        Column("ordered_at", "timestamp", "UTC; its earliest line", required=True),
        Column("event_date", "date", "business day of ordered_at", required=True),
        Column("status", "string", "purchase, or refund where every line is one", "none", True),
        Column("amount", MONEY, "in the base currency, less refunds; NULL where that of a line is unknown"),
        Column("refunded", MONEY, "in the base currency, given back on its lines; 0 or more"),
        Column("discount", MONEY, "in the base currency; 0 or more"),
        Column("items", MONEY, "pieces, less those given back"),
        Column("lines", "bigint", "lines that are not cancelled", required=True),
        Column("with_coupon", "boolean", "a coupon was used on some line", required=True),
        Column("channel", "string", "NULL where its lines differ"),
        Column("store_id", "string", "NULL where its lines differ"),
        Column("payment_method", "string", "NULL where its lines differ"),
        Column("order_number", "int", "1 is the customer's first purchase; NULL for a refund, or without a customer"),
        Column("days_since_previous", "int", "business days since the customer's purchase before; NULL on the first"),
    ),
    key=("customer_id", "source", "order_id"),
)  # fmt: skip
GOLD_SESSION = Table(
    "gold/session",
    (
        _CUSTOMER,
        Column("source", "string", "the source that tells of it", "none", True),
        Column("session_id", "string", "a hash of the source and its name of the visit", required=True),
        Column("started_at", "timestamp", "UTC; its first hit", required=True),
        Column("ended_at", "timestamp", "UTC; its last hit", required=True),
        Column("event_date", "date", "business day of started_at", required=True),
        Column("seconds", "bigint", "seconds from the first hit to the last", required=True),
        Column("pages", "bigint", "hits of people: pages, or what was done in the app", required=True),
        Column("products", "bigint", "different products looked at", required=True),
        Column("searches", "bigint", "hits", required=True),
        Column("carts", "bigint", "hits", required=True),
        Column("checkouts", "bigint", "hits", required=True),
        Column("device", "string", "mobile, tablet or desktop; of the first hit"),
        Column("entry", "string", "first folder of the path it began on; 'other' where few customers were in it"),
        Column("exit", "string", "first folder of the path it ended on, likewise"),
        Column("days_since_previous", "int", "business days since the customer's visit before; NULL on the first"),
    ),
    key=("customer_id", "source", "session_id"),
)  # fmt: skip
GOLD_JOURNEY = Table(
    "gold/journey",
    (
        Column("customer_id", "string", "the customer, known or not", required=True),
        Column("at", "timestamp", "UTC", required=True),
        Column("event_date", "date", "business day of at", required=True),
        Column("channel", "string", "web, app, the platform, or as the source names it; 'other' where too few use it"),
        Column("step", "string", "entity:what happened, such as transaction:purchase or web_event:cart", required=True),
    ),
    key=("customer_id", "at", "channel", "step"),
)
