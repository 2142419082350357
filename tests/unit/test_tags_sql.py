"""Tags that are queries: what they give against DuckDB, and that they read the named entities and nothing else."""
# ruff: noqa: E501  (queries on one line)

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from sqlglot import exp

from transforms.errors import DefinitionError
from transforms.expressions import at, compile_query
from transforms.sql.relations import view_of
from transforms.tags.across import one_each
from transforms.tags.definition import parse_tags
from transforms.tags.formulas import formula_of

DAY = date(2017, 6, 30)
AS_OF = datetime(2017, 6, 30, 23, 59, 59, 999999, tzinfo=UTC)
ENTITIES = {
    "transaction": {"customer_id": "string", "order_id": "string", "product_id": "string", "category": "string", "amount": "decimal(18,4)", "status": "string", "event_date": "date"},
    "web_event": {"customer_id": "string", "product_id": "string", "event_type": "string", "event_date": "date"},
    "product": {"product_id": "string", "brand": "string", "list_price": "decimal(18,4)"},
}  # fmt: skip
GROUPED = "select customer_id, sum(amount) as value from {transaction} group by customer_id"

# Each as a user writes it; DuckDB reads the same, its tables named without braces. Every customer has at most one row.
QUERIES = {
    "grouped": GROUPED,
    "filtered": "select customer_id, count(distinct order_id) as value from {transaction} where status = 'purchase' and amount > 10 group by customer_id having count(*) > 3",
    "joined": "select t.customer_id, count(distinct p.brand) as value from {transaction} t join {product} p on t.product_id = p.product_id and p.list_price > 5 group by t.customer_id",
    "using": "select customer_id, count(*) as value from {transaction} t left join {product} p using (product_id) where p.brand is null group by customer_id",
    "viewed, not bought": "select w.customer_id, count(distinct w.product_id) as value from {web_event} w anti join {transaction} t on w.customer_id = t.customer_id and w.product_id = t.product_id where w.event_type = 'view' group by w.customer_id",
    "two steps": "with days as (select customer_id, event_date, sum(amount) as spent from {transaction} group by customer_id, event_date) select customer_id, max(spent) as value from days d group by customer_id",
    "ranked": "select customer_id, max(category) as value from (select customer_id, category, dense_rank() over (partition by customer_id order by spent desc, category) as place from (select customer_id, category, sum(amount) as spent from {transaction} where category is not null group by customer_id, category) a) b where place = 2 group by customer_id",
    "running": "select customer_id, max(share) as value from (select customer_id, amount / sum(amount) over (partition by customer_id order by event_date) as share from {transaction} where amount > 0) s group by customer_id",
    "united": "select customer_id, count(*) as value from (select customer_id, product_id from {transaction} union select customer_id, product_id from {web_event}) u group by customer_id",
    "both": "with a as (select customer_id, count(*) as n from {transaction} group by customer_id), b as (select customer_id, count(*) as n from {web_event} group by customer_id) select coalesce(a.customer_id, b.customer_id) as customer_id, coalesce(a.n, 0) - coalesce(b.n, 0) as value from a full join b on a.customer_id = b.customer_id",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> dict[str, pd.DataFrame]:
    chance = random.Random(5)
    bought = [
        (f"c{chance.randrange(25)}", f"o{chance.randrange(200)}", f"p{chance.randrange(40)}", chance.choice(["BEEF", "CHEESE", "BREAD", None]),
         Decimal(chance.randrange(-2000, 9000)) / 100, chance.choice(["purchase", "purchase", "refund"]), DAY - timedelta(days=chance.randrange(60)))
        for _ in range(900)
    ]  # fmt: skip
    seen = [
        (f"c{chance.randrange(30)}", f"p{chance.randrange(60)}", chance.choice(["view", "cart"]), DAY)
        for _ in range(400)
    ]
    sold = [
        (f"p{n}", chance.choice(["National", "Private"]), Decimal(chance.randrange(100, 2000)) / 100) for n in range(35)
    ]
    return {
        name: pd.DataFrame(data, columns=list(ENTITIES[name]))
        for name, data in (("transaction", bought), ("web_event", seen), ("product", sold))
    }


@pytest.fixture(scope="module")
def views(spark: SparkSession, rows: dict[str, pd.DataFrame]) -> None:
    for name, frame in rows.items():
        schema = ", ".join(f"{column} {ddl}" for column, ddl in ENTITIES[name].items())
        data = list(frame.itertuples(index=False, name=None))
        spark.createDataFrame(data, schema).repartition(3).createOrReplaceTempView(view_of(name))


def answered(spark: SparkSession, text: str) -> DataFrame:
    query = compile_query(text, place="t.yml: sql", entities=ENTITIES)
    return one_each(spark.sql(at(query.sql, day=DAY, as_of=AS_OF)))


def plain(value: Any) -> Any:
    return round(float(value), 6) if isinstance(value, float | Decimal | int) else value


def test_queries_give_what_duckdb_gives(spark: SparkSession, rows: dict[str, pd.DataFrame], views: None) -> None:
    con = duckdb.connect()
    for name, frame in rows.items():
        told = {column: ddl.replace("string", "varchar") for column, ddl in ENTITIES[name].items()}
        con.register(f"_{name}", frame)
        con.execute(f'create table "{name}" ({", ".join(f"{column} {ddl}" for column, ddl in told.items())})')
        con.execute(f'insert into "{name}" select * from _{name}')
    for name, text in QUERIES.items():
        wanted = dict(con.execute(text.replace("{", '"').replace("}", '"')).fetchall())
        got = {row.customer_id: row.value for row in answered(spark, text).collect()}
        assert {c: plain(v) for c, v in got.items()} == {c: plain(v) for c, v in wanted.items()}, name
        assert wanted, name


def test_several_rows_a_customer_are_counted(spark: SparkSession, views: None) -> None:
    found = answered(spark, "select customer_id, order_id as value from {transaction}").collect()
    assert min(row.rows for row in found) > 1


def test_what_a_query_reads(spark: SparkSession) -> None:
    query = compile_query(QUERIES["joined"], place="t", entities=ENTITIES)
    assert query.reads == {
        "transaction": {"customer_id", "product_id"},
        "product": {"product_id", "brand", "list_price"},
    }
    assert query.columns == {"customer_id": "string", "value": "bigint"}


REFUSED: list[tuple[str, str]] = [
    ("select customer_id, 1 as value from transaction", "no table 'transaction': a query reads entities between braces; write {transaction}"),
    ("select customer_id, 1 as value from {transacton}", "no entity 'transacton'; did you mean 'transaction'?"),
    ("select customer_id, 1 as value from csv.`/etc/passwd`", "'csv.`/etc/passwd`' is refused: a query reads entities between braces, nothing else"),
    ("select customer_id, 1 as value from `csv`.{transaction}", "'`csv`.`{transaction}`' is refused: a query reads entities between braces, nothing else"),
    ("select customer_id, 1 as value from `/etc/passwd`", "no table '/etc/passwd': a query reads entities between braces"),
    ("select customer_id, 1 as value from `_silver_transaction`", "no table '_silver_transaction': a query reads entities between braces"),
    ("select customer_id, 1 as value from silver.contact", "'silver.contact' is refused: a query reads entities between braces, nothing else"),
    ("select customer_id, 1 as value from delta.`lakehouse/gold/customer`", "'delta.`lakehouse/gold/customer`' is refused: a query reads entities between braces, nothing else"),
    ("select customer_id, 1 as value from read_files('/etc/passwd')", "'READ_FILES('/etc/passwd')' is refused: from takes {entity}, a name of with, or (select …) t"),
    ("select customer_id, 1 as value from range(1000000000)", "'RANGE(1000000000)' is refused: from takes {entity}, a name of with, or (select …) t"),
    ("select customer_id, 1 as value from values (1), (2) t", "'VALUES (1), (2) AS t' is refused: from takes {entity}, a name of with, or (select …) t"),
    ("select customer_id, (select max(amount) from {transaction}) as value from {transaction}", "subqueries are refused: an expression reads one row"),
    ("select customer_id, 1 as value from {transaction} where product_id in (select product_id from {product})", "subqueries are refused: an expression reads one row"),
    ("select customer_id, 1 as value from {transaction} where exists (select 1 from {product})", "subqueries are refused: an expression reads one row"),
    ("select customer_id, reflect('java.lang.System', 'exit', 1) as value from {transaction}", "the function 'reflect' is refused: it reaches outside the row"),
    ("select customer_id, explode(array(amount)) as value from {transaction}", "the function 'explode' is refused: it can fill the memory"),
    ("select customer_id, row_number() over (partition by customer_id order by amount) as value from {transaction}", "the function 'row_number' is refused: its value depends on the order of rows; use max_by(value, ordered_at) or min_by(…)"),
    ("select customer_id, sum(amount) over (order by event_date) as value from {transaction}", "over (…) needs partition by: otherwise all rows go through one machine"),
    ("select customer_id, sum(amount) over (partition by customer_id order by event_date rows between 1 preceding and current row) as value from {transaction}", "'SUM(amount) OVER (PARTITION BY customer…' is refused: rows between … its value depends on the order of rows"),
    ("select customer_id, rand() as value from {transaction}", "the function 'rand' is refused: it gives another value at each run"),
    ("select customer_id, 1 as value from {transaction} where event_date < current_date", "current_date is refused: it reads the clock; use as_of"),
    ("select customer_id, 1 as value from {transaction} limit 3", "limit is refused: its value depends on the order of rows; use rank() over (…) in a query in from"),
    ("select customer_id, 1 as value from {transaction} order by amount", "order is refused: rows have no order here; remove it"),
    ("select customer_id, 1 as value from {transaction} tablesample (10 percent)", "sample is refused: it gives other rows at each run"),
    ("select customer_id, 1 as value from {transaction} version as of 3", "version is refused: it has no place in the sql of a tag"),
    ("select customer_id, 1 as value from {transaction} lateral view explode(array(amount)) x as y", "laterals is refused: it multiplies rows; use exists(list, x -> …) or transform()"),
    ("select customer_id, 1 as value from {transaction}, {web_event}", "'CROSS JOIN `{web_event}`' is refused: a join says what is equal on both sides: … on a.x = b.x"),
    ("select a.customer_id, 1 as value from {transaction} a join {web_event} b on a.event_date > b.event_date", "join b: its on needs a value that is equal on both sides: on a.x = b.x"),
    ("select a.customer_id, 1 as value from {transaction} a join {web_event} b on a.customer_id = b.customer_id or true", "join b: its on needs a value that is equal on both sides: on a.x = b.x"),
    ("select a.customer_id, 1 as value from {transaction} a join {web_event} b on 'x' = 'x'", "join b: its on needs a value that is equal on both sides: on a.x = b.x"),
    ("select a.customer_id, 1 as value from {transaction} a join {transaction} b on a.status = b.status", "join b: holds one customer's rows against another's; join on customer_id too"),
    ("with recursive a as (select customer_id, 1 as value from {transaction}) select customer_id, value from a", "with recursive is refused: it may never end"),
    ("select customer_id, 1 as value from {transaction} -- all of it", "comments are refused; say it in the description"),
    ("select /*+ broadcast(t) */ customer_id, 1 as value from {transaction} t", "comments are refused; say it in the description"),
    (GROUPED + "; drop table x", "holds a ';'; one expression is enough"),
    ("insert into x select 1", "'INSERT INTO x SELECT 1' is refused: a query begins with select or with"),
    ("select transform(customer_id) using 'cat' as (value) from {transaction}", "cannot be read near 'using'"),
    ("select * from {transaction}", "select *: name the columns"),
    ("select t.* from {transaction} t", "select *: name the columns"),
    ("select customer_id, amount as value from {transaction} group by customer_id", "the column 'amount' stands neither in group by nor in an aggregate"),
    ("select customer_id, count(*) as value from {transaction} group by 1", "group by: name the columns, not their positions"),
    ("select customer_id, count(*) as value from {transaction} group by customer_id with cube", "group by is refused: it has no place in the sql of a tag"),
    ("select customer_id, 1 as value from {transaction} a join {web_event} b on a.customer_id = b.customer_id", "'customer_id' is a column of a and b; write a.customer_id"),
    ("select customer_id, sum(amout) as value from {transaction} group by customer_id", "no column 'amout' in transaction; did you mean 'amount'?"),
    ("select customer_id, sum(amount) from {transaction} group by customer_id", "'SUM(amount)' needs a name: SUM(amount) as value"),
    ("amount > 3", "'amount > 3' is refused: a query begins with select or with"),
    ("select 1 as value", "says nowhere what it reads: from {transaction}"),
    ("", "is empty; write an expression"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_a_query_may_not_say(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compile_query(text, place="t.yml: sql", entities=ENTITIES)
    assert refused.value.lines == (f"t.yml: sql: {message}",)


def test_no_text_of_a_query_becomes_a_query(spark: SparkSession, views: None) -> None:
    """A text that names another text, which then would stand between its quotes and open them."""
    inside = " || (select max(value) from text.`/etc/passwd`) || "
    text = (
        f"select customer_id, concat(max('{inside}'), '\\0measure 0\\0') as value from {{transaction}} "
        "group by customer_id"
    )
    sql = compile_query(text, place="t", entities=ENTITIES).sql
    assert {table.name for table in sqlglot.parse_one(sql, read="spark").find_all(exp.Table)} == {"_silver_transaction"}
    assert {row.value for row in answered(spark, text).collect()} == {f"{inside}\0measure 0\0"}


def test_a_query_that_reads_itself_over_and_over_is_refused() -> None:
    doubled = [
        f"a{n} as (select customer_id, value from a{n - 1} union all select customer_id, value from a{n - 1})"
        for n in range(1, 40)
    ]
    text = f"with a0 as ({GROUPED}), {', '.join(doubled)} select customer_id, value from a39"
    with pytest.raises(DefinitionError, match="its queries read each other too many times"):
        compile_query(text, place="t", entities=ENTITIES)


def test_texts_and_lists_cannot_be_doubled_without_end(spark: SparkSession, views: None) -> None:
    """Thirty queries, each of which doubles what the one before it gave: 2 ** 30 letters, and as many entries."""
    for start, doubled, size in (
        ("status", "concat(x, x)", "length(x)"),
        ("array(status)", "flatten(array(x, x))", "size(x)"),
    ):
        steps = [f"a{n} as (select customer_id, {doubled} as x from a{n - 1})" for n in range(1, 31)]
        first = f"with a0 as (select customer_id, {start} as x from {{transaction}} where order_id = 'o1')"
        text = f"{first}, {', '.join(steps)} select customer_id, max({size}) as value from a30 group by customer_id"
        found = {row.value for row in answered(spark, text).collect()}
        assert found and max(found) <= 1_000_000


def test_tags_on_tags_cannot_double_a_text_or_a_list_without_end() -> None:
    head = "title: {en: A tag}\ndescription: d\nowner: o\n"
    bodies = {
        "a": "purposes: [service]\nfrom: transaction\nlast: status", "b": "select: concat(a, a)",
        "c": "purposes: [service]\nfrom: transaction\npreference: {of: status}", "d": "select: flatten(array(c, c))",
        "e": "select: length(a)",
    }  # fmt: skip
    tags = parse_tags({f"tags/{name}.yml": f"tag: {name}\n{head}{body}\n" for name, body in bodies.items()})
    columns = {output.name: output.type for tag in tags.values() for output in tag.outputs}
    told = {name: formula_of(tags[name], timezone="UTC", columns=columns).select.sql for name in "bde"}
    assert told == {
        "b": "left(concat(`a`, `a`), 1000000)", "d": "slice(flatten(array(`c`, `c`)), 1, 10000)", "e": "length(`a`)",
    }  # fmt: skip


WORDS = ["select", "from", "{transaction}", "{web_event}", "{", "}", "customer_id", "as value", ",", "(", ")", "join", "on", "=", "where", "union", "with", "a", "t.", "csv.`/etc/passwd`", "group by", "sum(amount)", "over", "'", "`"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_is_compiled_or_refused_and_reads_entities_alone(text: str) -> None:
    try:
        query = compile_query(text, place="t", entities=ENTITIES)
    except DefinitionError:
        return
    assert query.reads.keys() <= {"transaction", "web_event"}
    assert "passwd" not in query.sql
