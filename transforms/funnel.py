"""How many customers go from step to step of their path within some time, as DuckDB's SQL over gold/journey.

A customer reaches a step if it took all steps before, each later than the one before it, and all of them within the
time from the first. Of several ways through the best counts: to begin as late as possible leaves most time.
"""

from collections.abc import Sequence


def reached_sql(steps: int, *, seconds: int) -> str:
    """Views `step_1` … `step_n`: customer_id, moment, start (the latest first step that leads there).

    Grain: a step taken. `path` has customer_id, moment, channel, step; `name_1` … the steps' names.
    """
    views = [
        "create temp view step_1 as select customer_id, moment, moment as start from path where step = (from name_1)"
    ]
    views += [
        f"""create temp view step_{place} as
        select later.customer_id, later.moment, before.start
        from (select customer_id, moment from path where step = (from name_{place})) later
        asof join (
            select customer_id, moment, max(start) over (partition by customer_id order by moment) as start
            from step_{place - 1}) before
        on later.customer_id = before.customer_id and later.moment > before.moment
        where epoch_us(later.moment) - epoch_us(before.start) <= {seconds * 1_000_000}"""
        for place in range(2, steps + 1)
    ]
    return ";\n".join(views)


def counts_sql(steps: int, *, by: bool) -> str:
    """place, value (of what it is told by), customers, days: the median from the first step. Grain: step, value.

    With `by` there is `told`: customer_id, value.
    """
    value = "value" if by else "null"
    return " union all ".join(
        f"""select {place} as place, {value} as value, count(*) as customers, median(days) as days
        from (
            select customer_id, min(epoch_us(moment) - epoch_us(start)) / 86_400e6 as days
            from step_{place} group by all)
        {"join told using (customer_id)" if by else ""} group by all"""
        for place in range(1, steps + 1)
    )


def touches_sql(steps: int, *, last: bool, seconds: int) -> str:
    """channel, step, customers: what the customers that came through did first, or last, in that time before they did.

    Grain: channel and step. What is the last step itself is no touch.
    """
    edge = "max" if last else "min"
    return f"""
    with done as (select customer_id, min(moment) as moment from step_{steps} group by all)
    select touch.channel, touch.step, count(*) as customers from (
        select customer_id,
            arg_{edge}({{'channel': channel, 'step': path.step}}, (path.moment, path.step, channel)) as touch
        from path join done using (customer_id)
        where path.moment < done.moment and epoch_us(done.moment) - epoch_us(path.moment) <= {seconds * 1_000_000}
            and path.step <> (from name_{steps})
        group by customer_id) group by all order by customers desc, 1, 2"""


def names(steps: Sequence[str]) -> list[str]:
    """The views that hold the steps' names, `name_1` …, each with one parameter."""
    return [f"create temp table name_{place} as select ?::varchar" for place in range(1, len(steps) + 1)]
