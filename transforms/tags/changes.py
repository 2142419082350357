"""gold/tag_change as SQL: what is another in tonight's profile than in the last one, and why. DuckDB runs it.

The tables `before` and `now` hold a row a known customer and a column a tag; `of_customer` (customer_id, cause) those
who came, merged or split tonight; `touched` (customer_id, entities) those of whom something landed or ended; `by_hand`
(customer_id, tag) what was set by hand otherwise than before, and what is built on that.
"""

from collections.abc import Collection, Mapping, Sequence

KEY = "customer_id"
# A customer who came or went, so that a night's profile can be told to the row.
EXISTS = "customer_id"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def as_text(column: str, kind: str) -> str:
    """A value as gold/tag_change holds it: it reads back to the same. `kind`: DuckDB's type."""
    return f"cast(to_json({column}) as varchar)" if kind.endswith("[]") else f"cast({column} as varchar)"


def both_sql(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """`both`: last night's values (`o:…`) beside tonight's (`n:…`). Columns -> DuckDB's type."""
    old = [f"b.{quoted(name)} as {quoted(f'o:{name}')}" for name in before]
    new = [f"n.{quoted(name)} as {quoted(f'n:{name}')}" for name in now]
    columns = ", ".join(
        [
            f"coalesce(n.{KEY}, b.{KEY}) as {KEY}", f"b.{KEY} is null as came", f"n.{KEY} is null as went",
            "c.cause", "t.entities", *old, *new,
        ]
    )  # fmt: skip
    return (
        f"create temp table both_nights as select {columns} from before b full join now n using ({KEY}) "
        f"left join of_customer c on c.{KEY} = coalesce(n.{KEY}, b.{KEY}) "
        f"left join touched t on t.{KEY} = coalesce(n.{KEY}, b.{KEY})"
    )


def changes_sql(
    before: Mapping[str, str],
    now: Mapping[str, str],
    *,
    causes: Mapping[str, str],
    reads: Mapping[str, Collection[str]],
    otherwise: str,
    by_hand: Collection[str] = (),
) -> str:
    """customer_id, tag, old, new, cause: a row a value that changed, from `both_nights`.

    `causes`: column -> what explains all its changes; `reads`: column -> the entities that it is made from;
    `otherwise`: the cause where no new data explains a change; `by_hand`: the columns in the table of that name.
    """
    selects = [_existence()]
    for name in {**before, **now}:
        old = as_text(quoted(f"o:{name}"), before[name]) if name in before else "null"
        new = as_text(quoted(f"n:{name}"), now[name]) if name in now else "null"
        left, right = (quoted(f"o:{name}"), quoted(f"n:{name}")) if before.get(name) == now.get(name) else (old, new)
        cause = _cause(causes.get(name), sorted(reads.get(name, ())), otherwise, name if name in by_hand else None)
        selects.append(
            f"select {KEY}, {text_of(name)}, cast({old} as varchar), cast({new} as varchar), {cause} "
            f"from both_nights where {left} is distinct from {right}"
        )
    return f"create temp table changes as {' union all '.join(selects)}"


def _existence() -> str:
    return (
        f"select {KEY}, '{EXISTS}' as tag, if(came, null, {KEY}) as old, if(went, null, {KEY}) as new, "
        "coalesce(cause, if(came, 'new', 'data')) as cause from both_nights where came or went"
    )


def _cause(known: str | None, reads: Sequence[str], otherwise: str, by_hand: str | None) -> str:
    there = "when came or went then coalesce(cause, if(came, 'new', 'data'))"
    if by_hand:
        set_tonight = f"{KEY} in (select {KEY} from by_hand where tag = {text_of(by_hand)})"
        there += f" when cause is null and {set_tonight} then 'override'"
    if known:
        return f"case {there} else {text_of(known)} end"
    entities = ", ".join(map(text_of, reads))
    data = f"list_has_any(coalesce(entities, []), [{entities}])" if reads else "false"
    return f"case {there} when cause is not null then cause when {data} then 'data' else '{otherwise}' end"


def text_of(value: str) -> str:
    """A text in DuckDB's SQL, where a backslash is one."""
    return "'" + value.replace("'", "''") + "'"


def earlier_sql(columns: Mapping[str, str], now: Mapping[str, str]) -> str:
    """A night's profile from a newer one (`now`) and the changes since (`since`: place, customer_id, tag, old).

    `columns`: those of that night -> DuckDB's type. Grain: customer known then. `place` orders the changes.
    """
    first = f"select {KEY}, tag, arg_min_null(old, place) as old from since group by all"
    picked = ", ".join(
        f"max(old) filter (tag = {text_of(name)}) as {quoted(f'o:{name}')}, "
        f"count(*) filter (tag = {text_of(name)}) > 0 as {quoted(f'c:{name}')}"
        for name in (EXISTS, *columns)
    )
    values = ", ".join(
        f"if(coalesce({quoted(f'c:{name}')}, false), {_read(quoted(f'o:{name}'), kind)}, "
        f"{f'try_cast(n.{quoted(name)} as {kind})' if name in now else 'null'}) as {quoted(name)}"
        for name, kind in columns.items()
    )
    exists = f"if(coalesce({quoted(f'c:{EXISTS}')}, false), {quoted(f'o:{EXISTS}')} is not null, n.{KEY} is not null)"
    return (
        f"with w as (select {KEY}, {picked} from ({first}) group by all) "
        f"select coalesce(n.{KEY}, w.{KEY}) as {KEY}, {values} from now n full join w using ({KEY}) where {exists}"
    )


def _read(text: str, kind: str) -> str:
    return f"cast(from_json({text}, '[\"VARCHAR\"]') as {kind})" if kind.endswith("[]") else f"cast({text} as {kind})"
