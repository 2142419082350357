"""What customers did, for analysts: orders, visits and the path over all channels, as queries in Spark's SQL.

Queries, because two engines run them: DuckDB within one machine, Spark beyond. A query reads `silver_<entity>`, an
entity's rows as the night may see them, with the `customer_id` that their record has. All are pseudonymous: what a
source may have written freely (a channel, a kind, a folder of a path) is shown where enough customers share it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from transforms.schemas import GOLD_ORDER

OTHER = "other"
# What the queries below name, by entity.
ORDER_READS = (
    "source", "order_id", "ordered_at", "event_date", "status", "amount", "discount", "quantity", "coupon", "channel",
    "store_id", "payment_method",
)  # fmt: skip
SESSION_READS = (
    "source", "session_id", "event_id", "occurred_at", "event_date", "event_type", "product_id", "device_type", "path",
    "is_bot",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """How the rows of an entity are steps. `channel`, `kind`: expressions over its columns.

    `kinds`: those that are shown however few have them. `where`: the rows that are steps.
    """

    reads: tuple[str, ...]
    channel: str
    kind: str
    kinds: tuple[str, ...] = ()
    where: str = "true"


STEPS = {
    "web_event": Step(
        ("event_type", "app_version", "is_bot"),
        "case when app_version is null then 'web' else 'app' end",
        "event_type",
        ("view", "product", "cart", "checkout", "search", "login"),
        where="not coalesce(is_bot, false)",
    ),
    "social_activity": Step(
        ("platform", "action"), "platform", "action", ("post", "like", "share", "comment", "follow")
    ),
    "campaign_event": Step(
        ("channel", "event"), "channel", "event", ("sent", "open", "click", "bounce", "unsubscribe", "convert")
    ),
    "service_ticket": Step(("channel",), "channel", "'opened'", ("opened",)),
    "survey_response": Step((), "'survey'", "'answered'", ("answered",)),
    "interaction": Step(("channel", "kind"), "channel", "kind"),
}
ENTITIES_READ = ("transaction", *STEPS)


def reads_of(entity: str) -> tuple[str, ...]:
    """The columns of silver that the queries read of an entity."""
    if entity == "transaction":
        return ORDER_READS
    own = ("event_at", "event_date", *STEPS[entity].reads)
    return tuple(dict.fromkeys((*own, *SESSION_READS))) if entity == "web_event" else own


def order_sql() -> str:
    """gold/order. Grain: an order, its lines of one customer. Of purchases a customer's are numbered by time."""
    same = ", ".join(
        f"case when min({name}) = max({name}) then min({name}) end as {name}"
        for name in ("channel", "store_id", "payment_method")
    )
    return f"""
    with bill as (
        select customer_id, source, order_id, min(ordered_at) as ordered_at, min(event_date) as event_date,
            case when count_if(status = 'purchase') > 0 then 'purchase' else 'refund' end as status,
            case when count(amount) = count(*) then try_cast(sum(amount) as decimal(18,4)) end as amount,
            try_cast(coalesce(-sum(case when status = 'refund' then amount end), 0) as decimal(18,4)) as refunded,
            try_cast(coalesce(sum(discount), 0) as decimal(18,4)) as discount,
            try_cast(sum(quantity) as decimal(18,4)) as items,
            count(*) as lines, count(coupon) > 0 as with_coupon, {same}
        from silver_transaction where status <> 'cancelled' group by customer_id, source, order_id),
    placed as (
        -- who came without an identifier has no order before
        select *, case when status = 'purchase' then customer_id end as buyer,
            row_number() over buys as number, {_days_before("buys")} as days
        from bill window buys as (
            partition by coalesce(customer_id, concat(source, order_id)), status
            order by ordered_at, source, order_id))
    select *, case when buyer is not null then cast(number as int) end as order_number,
        case when buyer is not null then cast(days as int) end as days_since_previous
    from placed order by customer_id, ordered_at, source, order_id"""


def session_sql(smallest_group: int) -> str:
    """gold/session. Grain: a visit, its hits of one customer; hits of bots, and without a visit, are none of it."""
    hits = ", ".join(
        f"count_if(event_type = '{kind}') as {name}"
        for name, kind in (("searches", "search"), ("carts", "cart"), ("checkouts", "checkout"))
    )
    moment = "struct(occurred_at, event_id)"
    return f"""
    with hit as (
        select *, {_folder("path")} as folder from silver_web_event
        where session_id is not null and not coalesce(is_bot, false)),
    shown as (
        select folder from hit where folder is not null
        group by folder having count(distinct customer_id) >= {smallest_group}),
    visit as (
        select customer_id, source, substring(sha2(concat(source, '|', session_id), 256), 1, 32) as session_id,
            min(occurred_at) as started_at, max(occurred_at) as ended_at, min(event_date) as event_date,
            (unix_micros(max(occurred_at)) - unix_micros(min(occurred_at))) div 1000000 as seconds,
            count(*) as pages, count(distinct product_id) as products, {hits},
            nullif(min_by(coalesce(device_type, ''), {moment}), '') as device,
            nullif(min_by(coalesce(folder, ''), {moment}), '') as entry,
            nullif(max_by(coalesce(folder, ''), {moment}), '') as exit
        from hit group by customer_id, source, hit.session_id)
    select visit.* except (entry, exit), {_shown("visit.entry", "began.folder")} as entry,
        {_shown("visit.exit", "ended.folder")} as exit,
        case when customer_id is not null then cast({_days_before("visits")} as int) end as days_since_previous
    from visit left join shown began on began.folder = visit.entry left join shown ended on ended.folder = visit.exit
    window visits as (
        partition by coalesce(customer_id, visit.session_id) order by started_at, source, visit.session_id)
    order by customer_id, started_at, source, visit.session_id"""


def journey_sql(entities: Collection[str], smallest_group: int) -> str:
    """gold/journey. Grain: a step; what a customer did several times at one moment by one channel is one.

    `entities`: those that the night has; orders are read from `gold_order`. A step is named `entity:kind`.
    """
    orders = f"""select customer_id, ordered_at as at, event_date, channel, concat('transaction:', status) as step,
        'transaction:{OTHER}' as unnamed, true as fixed from {view_of(GOLD_ORDER.name)}"""
    parts = [orders, *(_steps_sql(entity, step) for entity, step in STEPS.items() if entity in entities)]
    return f"""
    with taken as (
        select * from ({" union all ".join(parts)}) every where customer_id is not null),
    channels as ({_shared("channel", smallest_group)}), steps as ({_shared("step", smallest_group)})
    select distinct customer_id, at, event_date, {_shown("taken.channel", "channels.channel")} as channel,
        case when fixed or steps.step is not null then taken.step else unnamed end as step
    from taken left join channels on channels.channel = taken.channel left join steps on steps.step = taken.step
    order by customer_id, at, step, channel"""


def view_of(table: str) -> str:
    """The name by which a query reads a table."""
    return table.replace("/", "_")


def _steps_sql(entity: str, step: Step) -> str:
    kinds = ", ".join(f"'{kind}'" for kind in step.kinds)
    fixed = f"coalesce({step.kind} in ({kinds}), false)" if kinds else "false"
    return f"""select customer_id, event_at as at, event_date, {step.channel} as channel,
        concat('{entity}:', coalesce({step.kind}, '{OTHER}')) as step, '{entity}:{OTHER}' as unnamed, {fixed} as fixed
        from silver_{entity} where {step.where}"""


def _shared(name: str, smallest_group: int) -> str:
    """The values that so many customers have."""
    return (
        f"select {name} from taken where {name} is not null "
        f"group by {name} having count(distinct customer_id) >= {smallest_group}"
    )


def _shown(value: str, shared: str) -> str:
    return f"case when {shared} is not null or {value} is null then {value} else '{OTHER}' end"


def _folder(path: str) -> str:
    """A path's first folder: `/product` of `/product/17`, `/` of the first page. What follows may name a person."""
    return f"case when {path} is not null then concat('/', regexp_extract({path}, '^/+([^/]*)', 1)) end"


def _days_before(window: str) -> str:
    return f"datediff(event_date, lag(event_date) over {window})"
