# ruff: noqa: E501  (tables of messages)
"""Expressions: what passes, what is refused and with which words, and that nothing which passes can stop a run."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sqlglot import exp

from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression, names_in
from transforms.sql.functions import AGGREGATES, FUNCTIONS, REFUSED
from transforms.sql.in_duckdb import Clock
from transforms.sql.patterns import regex_problem
from transforms.tags.items import literal

DAY = date(2017, 6, 30)
AS_OF = datetime(2017, 6, 30, 21, 59, 59, 999999)  # the end of that day in Berlin
BERLIN = "Europe/Berlin"
COLUMNS = {
    "s": "string", "t": "string", "n": "int", "b": "bigint", "x": "double", "amount": "decimal(18,4)",
    "flag": "boolean", "d": "date", "ts": "timestamp", "tags": "array<string>", "numbers": "array<int>", "nested": "array<array<string>>",
    "m": "map<string,string>", "ids": "map<string,array<string>>", "counts": "map<string,bigint>",
    "who": "struct<name:string,age:int>", "people": "array<struct<name:string,age:int>>",
}  # fmt: skip


def compiled(text: str, *, aggregates: bool = False, timezone: str = BERLIN) -> Expression:
    return compile_expression(
        text, place="t.yml: select", columns=COLUMNS, timezone=timezone, aggregates=aggregates, what="transaction"
    )


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> Iterator[DataFrame]:
    """Ordinary values, NULLs, and values at which Java's arithmetic, calendar or parsers give up."""
    ordinary = (
        "'C42, b'", "'a'", "7", "8L", "1.5D", "12.5", "true", "date'2016-02-29'", "timestamp'2017-06-30 21:30:00'",
        "array('a', 'b', null)", "array(3, 1, 2)", "array(array('a'), array('b'))", "map('k', 'v')",
        "map('email', array('a@x.org', 'b@x.org'))", "map('likes', 3L)", "named_struct('name', 'Ann', 'age', 30)",
        "array(named_struct('name', 'Ann', 'age', 30))",
    )  # fmt: skip
    largest = (
        "repeat('99999999999999999999-12-31 ', 40)", "'\\\\'", "2147483647", "9223372036854775807L",
        "double('Infinity')", "99999999999999.9999", "false", "date'5881580-07-11'", "timestamp_micros(9223372036854775807)",
        "array()", "array(2147483647)", "array()", "map()", "map()", "map('likes', 9223372036854775807L)",
        "named_struct('name', '', 'age', 2147483647)", "array()",
    )  # fmt: skip
    smallest = (
        "''", "'('", "-2147483648", "-9223372036854775808L", "double('NaN')", "-99999999999999.9999", "false",
        "date_add(date'-5877641-06-23', 0)", "timestamp_micros(-9223372036854775808)", "array(null)", "array(null)",
        "array(null)", "map('', null)", "map('email', null)", "map('likes', null)",
        "named_struct('name', null, 'age', 0)", "array(null)",
    )  # fmt: skip
    nothing = ("null",) * len(COLUMNS)
    selects = (
        "select "
        + ", ".join(
            f"cast({value} as {ddl}) as {name}" for value, (name, ddl) in zip(row, COLUMNS.items(), strict=True)
        )
        for row in (ordinary, largest, smallest, nothing)
    )
    frame = spark.sql(" union all ".join(selects)).repartition(1).cache()
    yield frame
    frame.unpersist()


# One call of every allowed function, and one of every operator and form.
CALLS = """
coalesce(s, t) | nvl(n, 0) | ifnull(amount, 0) | nullif(s, '') | if(flag, n, b) | if(flag, d, ts) | greatest(n, b, 3)
least(amount, 1) | isnull(s) | isnotnull(s) | abs(n) | abs(amount) | sign(amount) | ceil(amount) | ceil(x)
ceiling(n) | floor(amount) | floor(b) | round(amount, 2) | round(amount, -2) | round(x) | round(n, -1)
bround(amount, 1) | sqrt(x) | exp(x) | ln(amount) | log10(n) | log2(b) | log1p(amount) | power(x, 2) | pow(amount, n)
mod(b, n) | isnan(x) | try_add(n, b) | try_subtract(amount, 1) | try_multiply(b, b) | try_divide(amount, n)
width_bucket(amount, 0, 100, 10) | lower(s) | lcase(s) | upper(s) | ucase(s) | initcap(s) | trim(s) | ltrim(s)
rtrim(s) | btrim(s) | btrim(s, 'C') | length(s) | char_length(s) | reverse(s) | left(s, n) | right(s, n)
substr(s, n) | substr(s, 1, n) | substring(s, -3, 2) | substring_index(s, ',', -1) | split_part(s, ',', -1)
split(s, ', ') | concat(s, n, ts) | concat_ws('-', s, tags, d) | lpad(s, 20, '0') | lpad(s, 3) | rpad(s, 20, ' ')
replace(s, 'a', 'bb') | replace(s, 'a') | translate(s, 'ab', 'x') | regexp_extract(s, '([A-Z])(\\\\d+)', 2)
regexp_extract(s, '(x)') | regexp_replace(s, '(\\\\d)', '<$1>') | regexp_like(s, '^C') | regexp_count(s, ',')
contains(s, t) | startswith(s, t) | endswith(s, t) | instr(s, t) | locate(t, s) | position(t, s) | ascii(s)
levenshtein(s, t) | soundex(s) | md5(s) | sha1(s) | sha2(s, 256) | crc32(s) | xxhash64(s, n) | parse_url(s, 'HOST')
parse_url(s, 'QUERY', 'q') | get_json_object(s, '$.a') | from_json(s, 'array<string>')
from_json(s, 'struct<userName:string,a:array<int>>').userName | from_json(s, 'map<string,int>') | to_date(s)
to_date(ts) | to_date(s, 'yyyy-MM-dd') | date(ts) | date(s) | to_timestamp(s) | to_timestamp(d)
to_timestamp(s, 'dd/MMM/yyyy:HH:mm:ss Z') | try_to_timestamp(s, 'yyyy-MM-dd[ HH:mm]') | timestamp(s)
timestamp_seconds(b) | timestamp_seconds(x) | timestamp_millis(b) | unix_timestamp(ts) | unix_seconds(ts)
date_add(d, n) | date_add(ts, 3) | dateadd(d, n) | date_sub(d, n) | datediff(as_of, ts) | datediff(d, s)
date_diff(ts, d) | months_between(as_of, d) | months_between(ts, d) | add_months(d, -3) | last_day(d) | last_day(ts)
next_day(d, 'MO') | make_date(n, n, n) | trunc(d, 'month') | date_trunc('week', ts) | date_trunc('month', d)
date_trunc('day', as_of) | date_format(ts, 'EEE d MMM yyyy HH:mm') | date_format(d, 'yyyy-MM') | year(d) | quarter(ts)
month(as_of) | weekofyear(d) | day(d) | dayofmonth(ts) | dayofyear(d) | dayofweek(d) | weekday(ts) | hour(ts)
minute(ts) | second(ts) | array(s, t) | array(n, amount) | array(d, ts) | size(tags) | size(m) | cardinality(tags)
array_size(tags) | array_contains(tags, 'a') | array_contains(numbers, 3) | array_position(tags, s)
array_remove(tags, 'a') | array_append(tags, s) | array_distinct(tags) | array_compact(tags) | array_union(tags, tags)
array_intersect(tags, tags) | array_except(tags, tags) | arrays_overlap(tags, tags) | array_join(tags, ',')
array_join(tags, ',', '?') | array_min(numbers) | array_max(tags) | array_sort(tags) | sort_array(tags)
sort_array(numbers, false) | slice(tags, -1, 2) | flatten(nested) | element_at(tags, 2) | element_at(tags, -1)
element_at(m, s) | try_element_at(tags, -2) | get(tags, n) | map('a', s, 'b', t)
map_from_arrays(array('a', 'b'), array(n, b)) | map_keys(ids) | map_values(m) | map_contains_key(m, 'k')
exists(tags, y -> y = s) | forall(numbers, y -> y > n) | filter(tags, y -> y <> 'a') | transform(numbers, y -> y + 1)
transform(people, p -> p.name) | exists(people, p -> p.age > 3) | n + b | n - amount | amount * amount | amount * 2
amount * 1.5 | amount / n | n / 2 | n % 3 | b div n | n + x | s * n | -n | -amount | -(-3) | 1e3 | 1L | 2.50BD
12345678901 | .5 | s || n | s || ts | n = b | s = t | s <> 'it''s' | n < amount | x >= 1.5 | d = ts | ts >= d
ts < '2017-06-30' | ts >= timestamp '2017-06-30 10:00:00' | d = '2017-06-30' | d > date '2017-01-01' | s > 5 | s <=> t
s is distinct from t | s is null | s is not null | flag is true | flag is not false | not flag
flag and n > 1 or s = 'a' | n between 1 and 5 | ts between '2017-01-01' and as_of | s not between 'a' and 'b'
n in (1, 2) | n in (1, 2.5, null) | s in ('a', 'b') | s not in ('a') | d in ('2017-06-30') | ts in ('2017-06-30')
s like 'C%' | s not like 'a\\\\_b' | s ilike 'c%' | s rlike '^[A-Z]+(?:-\\\\d{2})?$' | s not rlike 'x'
case when flag then 1 when n > 3 then 2.5 else b end | case s when 'a' then d end | case when flag then d else ts end
cast(s as int) | cast(n as string) | cast(ts as date) | cast(ts as string) | cast(d as timestamp)
cast(s as timestamp) | cast(s as date) | cast(b as int) | cast(x as bigint) | cast(x as decimal(10,2))
cast(amount as int) | cast(s as decimal(38,0)) | cast(s as boolean) | cast(flag as int) | cast(ts as bigint)
cast(b as timestamp) | cast(x as timestamp) | cast(tags as array<int>) | cast(null as date) | n::string
try_cast(s as double) | s::date | tags[0] | tags[n] | m['k'] | ids['email'][0] | m.k | counts.likes | who.name
people.name | people[0].age | as_of - interval 30 days | ts + interval 2 hours | d + interval 1 month
d - interval 1 year | d + 3 | d - n | null | true | 'a\\nb' | "double quoted" | `s` | as_of | date '2016-02-29'
timestamp '2017-01-01 00:00:00+02:00' | coalesce(ts, as_of) | greatest(ts, as_of) | hour(greatest(ts, as_of)) | N
`S`
""".replace("\n", " | ").split(" | ")[1:-1]
AGGREGATE_CALLS = """
sum(amount) | sum(n) | sum(b) | sum(x) | sum(s) | try_sum(n) | avg(amount) | avg(n) | avg(x) | mean(b) | try_avg(n)
stddev(amount) | stddev_samp(n) | stddev_pop(x) | variance(amount) | var_samp(n) | var_pop(b) | count(*) | count(s)
count(distinct s) | count(distinct s, n) | count_if(flag) | min(s) | max(ts) | min(d) | max(flag) | max(tags)
bool_or(flag) | any(n > 1) | some(flag) | bool_and(flag) | every(flag) | median(amount) | percentile(n, 0.9)
max_by(s, ts) | min_by(who, n) | max_by(tags, ts) | sum(amount) filter (where flag) | count(*) filter (where n > 1)
sum(amount) / count(distinct s) | datediff(as_of, max(ts)) | round(sum(amount) / nullif(count(*), 0), 2)
case when count(*) > 2 then 'many' else 'few' end | coalesce(max(s), 'none') | max(hour(ts))
sum(if(flag, amount, 0)) | sum(-amount) | count(*) * 2 + sum(n)
""".replace("\n", " | ").split(" | ")[1:-1]


def test_every_allowed_function_is_called_below() -> None:
    text = " ".join(CALLS)
    assert [name for name in FUNCTIONS if f"{name}(" not in text] == []
    assert [name for name in AGGREGATES if f"{name}(" not in " ".join(AGGREGATE_CALLS)] == []
    assert not set(FUNCTIONS) & set(REFUSED)


def test_no_allowed_call_stops_a_run_and_each_has_the_type_it_says(rows: DataFrame) -> None:
    expressions = [compiled(text) for text in CALLS]
    columns = [e.column(day=DAY, as_of=AS_OF).alias(f"c{i}") for i, e in enumerate(expressions)]
    result = rows.select(*columns)
    found = dict(result.dtypes)
    wrong = [(e.text, e.type, found[f"c{i}"]) for i, e in enumerate(expressions) if e.type != found[f"c{i}"]]
    assert wrong == []
    # written out, not counted: Spark would skip the work
    result.write.format("noop").mode("overwrite").save()


def test_no_allowed_aggregate_stops_a_run_and_each_has_the_type_it_says(rows: DataFrame) -> None:
    expressions = [compiled(text, aggregates=True) for text in AGGREGATE_CALLS]
    columns = [e.column(day=DAY, as_of=AS_OF).alias(f"c{i}") for i, e in enumerate(expressions)]
    result = rows.crossJoin(rows.select(F.col("n").alias("again"))).agg(*columns)
    found = dict(result.dtypes)
    assert [(e.text, e.type, found[f"c{i}"]) for i, e in enumerate(expressions) if e.type != found[f"c{i}"]] == []
    result.write.format("noop").mode("overwrite").save()


# By hand: what an expression gives over one row, with the business in Berlin (UTC+2 in summer, +1 in winter).
ROW = {
    "s": "C42, b", "n": 7, "x": 1.5, "amount": Decimal("12.5000"), "flag": True, "d": date(2016, 2, 29),
    "ts": datetime(2017, 6, 29, 22, 0), "tags": ["a", "b"], "ids": {"email": ["a@x.org"]},
}  # fmt: skip
VALUES: list[tuple[str, object]] = [
    # 22:00 UTC is midnight in Berlin: the 30th already
    ("cast(ts as date)", date(2017, 6, 30)),
    ("hour(ts)", 0),
    ("weekday(ts)", 4),
    ("dayofweek(ts)", 6),
    ("datediff(as_of, ts)", 0),
    ("datediff(as_of, ts - interval 1 second)", 1),
    ("datediff(as_of, date '2017-06-01')", 29),
    ("month(as_of)", 6),
    ("date_format(ts, 'yyyy-MM-dd HH:mm')", "2017-06-30 00:00"),
    ("cast(ts as string)", "2017-06-30 00:00:00"),
    ("date_trunc('month', ts)", datetime(2017, 5, 31, 22, 0)),
    ("date_trunc('year', ts)", datetime(2016, 12, 31, 23, 0)),
    ("ts >= '2017-06-30'", True),
    ("ts = timestamp '2017-06-29 22:00:00Z'", True),
    ("hour(greatest(ts, ts - interval 1 hour))", 0),
    # a calendar month, over the change to summer time
    ("ts - interval 6 months", datetime(2016, 12, 29, 23, 0)),
    ("months_between(as_of, date '2016-06-30')", 12.0),
    ("floor(months_between(as_of, d) / 12)", 1),
    # two months and 15.5 days of 31; of one day of the month the hours do not count
    ("months_between(timestamp '2017-03-30 12:00:00', date '2017-01-15')", 2.5),
    ("months_between(as_of, timestamp '2017-05-30 12:00:00')", 1.0),
    # as_of in the calendar is the day, in a comparison its end
    ("hour(as_of)", 0),
    ("date_trunc('day', as_of)", datetime(2017, 6, 29, 22, 0)),
    ("cast(as_of as string)", "2017-06-30 00:00:00"),
    ("as_of > timestamp '2017-06-30 23:59:59'", True),
    ("s || ts", "C42, b2017-06-30 00:00:00"),
    ("unix_timestamp(ts)", 17346 * 86400 + 22 * 3600),
    ("d + 1", date(2016, 3, 1)),
    ("add_months(d, 12)", date(2017, 2, 28)),
    ("date_sub(d, 60)", date(2015, 12, 31)),
    ("cast('12.0' as int)", None),
    ("cast('x' as int)", None),
    ("cast(' 12 ' as int)", 12),
    ("cast(x as int)", 1),
    ("ln(n - 7)", None),
    ("log10(-n)", None),
    ("n % (n - 7)", None),
    ("n div (n - 7)", None),
    ("isnan(cast(null as double))", False),
    ("substr(s, 0, 2)", "C4"),
    ("array_position(tags, 'z')", 0),
    ("array_distinct(array('b', 'a', 'b'))", ["b", "a"]),
    ("exists(array('a', null), y -> y = 'b')", None),
    ("exists(array('a', null), y -> y = 'a')", True),
    ("map_contains_key(ids, 'email')", True),
    ("n / 0", None),
    ("make_date(2016, 2, 30)", None),
    ("n % 0", None),
    ("2147483647 + n", None),
    ("9223372036854775807 * n", None),
    ("n / 2", 3.5),
    ("-n", -7),
    ("n div 2", 3),
    ("amount * 3", Decimal("37.5000")),
    ("'it''s' || s", "it'sC42, b"),
    ("s like 'C%'", True),
    ("s like 'c%'", False),
    ("s rlike '^C[0-9]+'", True),
    ("regexp_extract(s, '([A-Z])([0-9]+)', 2)", "42"),
    ("regexp_replace(s, '([0-9]+)', '<$1>')", "C<42>, b"),
    ("substr(s, 2, 2)", "42"),
    ("split(s, ', ')[1]", "b"),
    ("split(s, ', ')[2]", None),
    ("ids['email'][0]", "a@x.org"),
    ("ids['phone']", None),
    ("element_at(tags, -1)", "b"),
    ("get_json_object('{\"a\": {\"b\": 3}}', '$.a.b')", "3"),
    ("from_json('[\"x\", \"y\"]', 'array<string>')[1]", "y"),
    ("from_json('no json', 'array<string>')", None),
    ("s in ('C42, b')", True),
    ("n between 7 and 8", True),
    ("n not between 7 and 8", False),
    ("case when n > 100 then 'big' when flag then 'small' end", "small"),
    ("case n when 1 then 'one' end", None),
    ("size(filter(tags, t -> t <> 'a'))", 1),
    ("exists(tags, t -> t = substr(s, 6, 1))", True),
    ("size(cast(null as array<string>))", None),
    ("map('a', n)['a']", 7),
    ("to_date('31.12.2016', 'dd.MM.yyyy')", date(2016, 12, 31)),
    ("to_date('31.02.2016', 'dd.MM.yyyy')", None),
    ("to_timestamp('01/Jul/2017:10:00:00 +0200', 'dd/MMM/yyyy:HH:mm:ss Z')", datetime(2017, 7, 1, 8, 0)),
    ("timestamp_millis(1498860000123)", datetime(2017, 6, 30, 22, 0, 0, 123000)),
    ("coalesce(nullif(s, 'C42, b'), 'none')", "none"),
    ("round(amount, 0)", Decimal(13)),
    ("xxhash64('a') = xxhash64('a')", True),
]


def test_expressions_give_what_arithmetic_gives(spark: SparkSession) -> None:
    schema = ", ".join(f"{name} {COLUMNS[name]}" for name in ROW)
    row = spark.createDataFrame([tuple(ROW.values())], schema)
    columns = [compiled(text).column(day=DAY, as_of=AS_OF).alias(f"c{i}") for i, (text, _) in enumerate(VALUES)]
    found = row.select(*columns).collect()[0]
    wrong = [(text, found[i], wanted) for i, (text, wanted) in enumerate(VALUES) if found[i] != wanted]
    assert wrong == []


# What DuckDB has no words for; `explain` says so.
UNSAID = (
    "from_json",
    "timestamp_millis",
    "xxhash64",
    "to_timestamp('01/Jul",
    "to_date('31",
    "2147483647 +",
    "9223372036854775807 *",
)


def test_duckdb_is_told_the_same() -> None:
    """By the same arithmetic: an explanation and an audience's size must say what the night says."""
    duck = duckdb.connect()
    duck.execute(f"set timezone = '{BERLIN}'")
    row = (
        pa.Table.from_pylist([ROW])
        .set_column(list(ROW).index("ts"), "ts", pa.array([ROW["ts"].replace(tzinfo=UTC)], pa.timestamp("us", "UTC")))
        .drop("ids")
    )
    duck.register("_row", row)
    duck.execute("create table given as select *, map {'email': ['a@x.org']} as ids from _row")
    clock = Clock(DAY, AS_OF.replace(tzinfo=UTC))
    wrong = []
    for text, wanted in VALUES:
        if text.startswith(UNSAID):
            continue
        (found,) = duck.execute(f"select {clock.said(text, 't')} from given").fetchall()[0]
        if isinstance(found, datetime):
            found = found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found.date()
        if found != wanted and not (
            isinstance(found, float | Decimal) and float(found) == pytest.approx(float(wanted))
        ):
            wrong.append((text, found, wanted))
    assert wrong == []


def test_sums_of_fractions_do_not_depend_on_the_order_of_rows(spark: SparkSession) -> None:
    values = [0.1, 0.2, 0.3, 1e9, -1e9, 1e-7] * 50
    total = compiled("sum(x)", aggregates=True).column(day=DAY, as_of=AS_OF)
    spread = compiled("stddev(x)", aggregates=True).column(day=DAY, as_of=AS_OF)
    found = {
        tuple(
            spark.createDataFrame([(v,) for v in order], "x double").repartition(parts).agg(total, spread).first() or ()
        )
        for order in (values, values[::-1], sorted(values))
        for parts in (1, 3)
    }
    # 50 x (0.6 + 0.0000001), exactly
    assert {row[0] for row in found} == {Decimal("30.0000050000")}
    assert len(found) == 1


def test_equal_times_are_decided_by_the_value(spark: SparkSession) -> None:
    newest = compiled("max_by(s, ts)", aggregates=True).column(day=DAY, as_of=AS_OF)
    oldest = compiled("min_by(s, ts)", aggregates=True).column(day=DAY, as_of=AS_OF)
    at = datetime(2017, 1, 1)
    rows = [("b", at), ("c", at), ("a", at), ("z", None)]
    for order in (rows, rows[::-1]):
        assert spark.createDataFrame(order, "s string, ts timestamp").agg(newest, oldest).first() == ("c", "a")


# What is refused, and in which words.
REFUSALS: list[tuple[str, str]] = [
    ("amout", "no column 'amout' in transaction; did you mean 'amount'?"),
    ("sum(amount)", "sum() is an aggregate, which has no place here: this is about one row"),
    ("(select 1)", "subqueries are refused: an expression reads one row"),
    ("n in (select n from t)", "subqueries are refused: an expression reads one row"),
    ("exists (select 1)", "subqueries are refused: an expression reads one row"),
    ("select n", "subqueries are refused: an expression reads one row"),
    ("csv.`/etc/passwd`", "no column 'csv' in transaction"),
    ("`/etc/passwd`", "no column '/etc/passwd' in transaction"),
    ("reflect('java.lang.System', 'exit', 1)", "the function 'reflect' is refused: it reaches outside the row"),
    ("REFLECT('a', 'b')", "the function 'reflect' is refused: it reaches outside the row"),
    ("`reflect`('a', 'b')", "the function 'reflect' is refused: it reaches outside the row"),
    ("java_method('java.lang.Runtime', 'x')", "the function 'java_method' is refused: it reaches outside the row"),
    ("try_reflect('a', 'b')", "the function 'try_reflect' is refused: it reaches outside the row"),
    ("system.builtin.rand()", "'system.builtin.rand()' is refused: functions have no owner"),
    ("rand()", "the function 'rand' is refused: it gives another value at each run"),
    ("uuid()", "the function 'uuid' is refused: it gives another value at each run"),
    ("shuffle(tags)", "the function 'shuffle' is refused: it gives another value at each run"),
    ("current_date", "current_date is refused: it reads the clock; use as_of"),
    ("current_date()", "the function 'current_date' is refused: it reads the clock; use as_of"),
    ("now()", "the function 'now' is refused: it reads the clock; use as_of"),
    ("current_user", "current_user is refused: it reaches outside the row"),
    ("input_file_name()", "the function 'input_file_name' is refused: it reaches outside the row"),
    ("raise_error('x')", "the function 'raise_error' is refused: it can stop the run"),
    ("repeat(s, 1000000000)", "the function 'repeat' is refused: it can fill the memory"),
    ("sequence(1, 1000000000)", "the function 'sequence' is refused: it can fill the memory"),
    ("aggregate(tags, '', (a, t) -> concat(a, a))", "the function 'aggregate' is refused: it can fill the memory"),
    ("exists(tags, t -> exists(tags, u -> u = t))", "a lambda inside a lambda is refused"),
    ("exists(tags, t -> rand() > 0.5)", "the function 'rand' is refused: it gives another value at each run"),
    ("exists(tags, (t, i) -> t = 'a')", "exists takes a lambda of one variable: x -> …"),
    ("transform(tags, t -> sum(n))", "sum() is an aggregate, which has no place here: this is about one row"),
    ("lower(t -> t)", "'t -> t' is refused: Lambda has no place in an expression"),
    ("zzz(n)", "no function 'zzz'"),
    ("uper(s)", "no function 'uper'; did you mean 'upper'?"),
    ("n -- a remark", "comments are refused; say it in the description"),
    ("n /* + 1 */ + 2", "comments are refused; say it in the description"),
    ("n; drop table t", "holds a ';'; one expression is enough"),
    ("drop table t", "'DROP TABLE t' is refused: Drop has no place in an expression"),
    ("set x = 1", "cannot be read near '='"),
    ("${x}", "'${x}' is refused: Parameter has no place in an expression"),
    ("$x", "'${x}' is refused: Parameter has no place in an expression"),
    (":x", "':x' is refused: Placeholder has no place in an expression"),
    ("?", "'?' is refused: Placeholder has no place in an expression"),
    ("n as m", "'n AS m' is refused: Alias has no place in an expression"),
    ("n, n", "cannot be read near ','"),
    ("*", "'*' is refused: Star has no place in an expression"),
    ("ids.*", "'*' has a place in count(*) only"),
    ("sum(n) over ()", "window functions (over …) are refused: an expression reads one row"),
    ("s like any ('a', 'b')", "like any and all are refused; join two conditions with or, and"),
    ("s rlike s", "rlike: a text must be written here, between quotes if it is a text, not computed"),
    ("s rlike '('", "rlike: '(' cannot be read: missing ), unterminated subpattern at position 0"),
    (
        "s rlike '(a+)+$'",
        "rlike: '(a+)+$' repeats a group that holds a repetition or an alternative: on some texts it never ends",
    ),
    (
        "s rlike '(a|b)*'",
        "rlike: '(a|b)*' repeats a group that holds a repetition or an alternative: on some texts it never ends",
    ),
    ("s rlike '[a[b]'", "rlike: '[a[b]' has '[' between brackets; write it with two backslashes before it"),
    ("s like 'a\\\\'", "like: 'a\\\\' has a backslash before something else than % or _"),
    ("regexp_extract(s, '(a)', 2)", "regexp_extract: 2 is not one of the pattern's groups (0 to 1)"),
    ("regexp_replace(s, 'a', '$1')", "regexp_replace: '$1' names a group that the pattern does not have (it has 0)"),
    (
        "date_format(d, 'YYYY')",
        "date_format: 'YYYY' has 'YYYY', which is not a part of a date; see Spark's datetime patterns",
    ),
    ("date_format(d, s)", "date_format: a text must be written here, between quotes if it is a text, not computed"),
    ("lpad(s, 1000000000, 'x')", "lpad: 1000000000 must be 0 to 1000"),
    ("element_at(tags, 0)", "element_at: the position must be written, 1 is the first and -1 the last; or use list[n]"),
    ("map('a', 1, 'a', 2)", "the keys of a map must be written texts, each once"),
    ("map(s, 1)", "the keys of a map must be written texts, each once"),
    (
        "map_from_arrays(tags, tags)",
        "map_from_arrays takes array('a', …) of written keys and array(x, …) of as many values",
    ),
    ("from_json(s, s)", "from_json: the schema must be written: 'array<string>'"),
    ("add_months(d, 10000000)", "add_months: 10000000 is more than 12000 months"),
    ("n + 'x'", "'x' is text where a number is needed"),
    ("n + flag", "'flag' is a condition where a number is needed; use if(…, 1, 0)"),
    ("n = 'seven'", "'seven' is text where a number is needed"),
    ("d = '31.12.2016'", "'31.12.2016' is not a date; write it as 2024-12-31"),
    ("flag = 1", "'flag' is a condition, '1' is a number: they cannot be compared"),
    ("d = n", "'d' is a date, 'n' is a number: they cannot be compared"),
    ("m = m", "maps cannot be compared; compare a value of it: ids['email']"),
    ("n and flag", "'n' is a number where a condition is needed"),
    ("d - d", "dates are not subtracted from each other; use datediff(later, earlier)"),
    ("ts + 3", "'ts' is a timestamp; add an interval: ts + interval 3 days"),
    ("case when flag then 1 else 'a' end", "case: its values are a number and text; cast them to one type"),
    ("coalesce(n, 'none')", "coalesce: its values are a number and text; cast them to one type"),
    ("s in (1, 2)", "'s' is text: put the values after IN between quotes"),
    ("cast(d as int)", "cast: 'd' is a date, which has no value of type int"),
    ("cast(n as money)", "cannot be read near 'money'"),
    ("array_contains(tags, 1)", "array_contains: the list holds text, '1' is a number"),
    ("n[0]", "'n' is a number, not a list or a map"),
    ("who.nam", "no field 'nam' in 'who'; did you mean 'name'?"),
    ("substr(s)", "substr takes 2 to 3 arguments, not 1"),
    ("upper(s, s)", "upper takes 1 argument, not 2"),
    ("greatest(m, m)", "greatest: values of a map have no order"),
    ("1e999", "the number 1e999 is too large"),
    ("(n", "cannot be read near 'n'"),
    ("'abc", "cannot be read; is a quote without its partner?"),
    ("", "is empty; write an expression"),
    ("n \x07", "holds a control character"),
    ("(" * 3000 + "n" + ")" * 3000, "is nested too deeply"),
    ("not " * 2000 + "flag", "is nested too deeply"),
    ("'" + "x" * 10_001 + "'", "is longer than 10000 characters"),
    ("last_day(" * 30 + "d" + ")" * 30, "is nested too deeply"),
    ("ſum(n)", "no function 'ſum'; did you mean 'sum'?"),
    ("ａmount", "no column 'ａmount' in transaction; did you mean 'amount'?"),
    # names written otherwise, comments and escapes
    ("`rand`()", "the function 'rand' is refused: it gives another value at each run"),
    ("RaNd ()", "the function 'rand' is refused: it gives another value at each run"),
    ("ｒand()", "no function 'ｒand'"),
    ("\\u0072and()", "cannot be read near '\\'"),
    ("U&'\\0072and()' = s", "'U & '\\0072and()'' is refused: BitwiseAnd has no place in an expression"),
    ("x'41' = s", "'X'41'' is refused: HexString has no place in an expression"),
    ("r'a' = s", "''a'' is refused: RawString has no place in an expression"),
    ("`system`.`builtin`.`rand`()", "'`system`.`builtin`.`rand`()' is refused: functions have no owner"),
    ("spark_catalog.default.f(n)", "'spark_catalog.default.f(n)' is refused: functions have no owner"),
    ("ra/**/nd()", "comments are refused; say it in the description"),
    ("n /*! + 1 */", "comments are refused; say it in the description"),
    ("n --+ hint", "comments are refused; say it in the description"),
    # what lies outside the row
    ("system.session.x", "no column 'system' in transaction"),
    ("session.x", "no column 'session' in transaction"),
    ("@@version", "'${${version}}' is refused: Parameter has no place in an expression"),
    ("{n}", "'{n}' is refused: Placeholder has no place in an expression"),
    ("input_file_name", "input_file_name is refused: it reaches outside the row"),
    ("parquet.`/tmp/x`.a", "no column 'parquet' in transaction"),
    ("read_files('/etc/passwd')", "the function 'read_files' is refused: it reaches outside the row"),
    ("secret('a', 'b')", "no function 'secret'; did you mean 'sqrt'?"),
    ("call_function('rand')", "no function 'call_function'"),
    ("unix_timestamp()", "unix_timestamp takes 1 argument, not 0"),
    ("ts > 'now'", "'now' is not a timestamp; write it as 2024-12-31 18:30:00"),
    ("d = 'today'", "'today' is not a date; write it as 2024-12-31"),
    ("cast('now' as timestamp) = ts", "'now' is not a timestamp; write it as 2024-12-31 18:30:00"),
    # subqueries wherever something may stand
    ("n between (select 1) and 2", "subqueries are refused: an expression reads one row"),
    ("if(flag, (select 1), 2)", "subqueries are refused: an expression reads one row"),
    ("tags[(select 0)]", "subqueries are refused: an expression reads one row"),
    ("try_cast((select 1) as int)", "subqueries are refused: an expression reads one row"),
    ("exists(tags, t -> t in (select 1))", "subqueries are refused: an expression reads one row"),
    ("case when exists(select 1) then 1 end", "subqueries are refused: an expression reads one row"),
    # lambdas
    ("exists(tags, t -> reflect('a', 'b') = t)", "the function 'reflect' is refused: it reaches outside the row"),
    (
        "exists(tags, t -> t rlike t)",
        "rlike: a text must be written here, between quotes if it is a text, not computed",
    ),
    ("filter(tags, rand)", "rand is refused: it gives another value at each run"),
    ("reduce(tags, '', (a, t) -> a || t)", "the function 'reduce' is refused: it can fill the memory"),
    ("zip_with(tags, tags, (a, b) -> a || b)", "the function 'zip_with' is refused: it can fill the memory"),
    ("transform_values(m, (k, v) -> v)", "no function 'transform_values'; did you mean 'transform'?"),
    # memory and time
    ("array_repeat('x', 1000000000)", "the function 'array_repeat' is refused: it can fill the memory"),
    ("space(1000000000)", "the function 'space' is refused: it can fill the memory"),
    ("explode(tags)", "the function 'explode' is refused: it can fill the memory"),
    ("rpad(s, 100000, 'x')", "rpad: 100000 must be 0 to 1000"),
    ("lpad(s, n, 'x')", "lpad: a whole number must be written here, between quotes if it is a text, not computed"),
    ("slice(tags, 1, 100000)", "slice: 100000 must be 0 to 1000"),
    (
        "s rlike '(?:a*)*b'",
        "rlike: '(?:a*)*b' repeats a group that holds a repetition or an alternative: on some texts it never ends",
    ),
    ("ts + interval 1000000000 years", "an interval is a whole number and a unit: interval 3 days"),
    # what differs from run to run, or by the order of rows
    ("random(1)", "the function 'random' is refused: it gives another value at each run"),
    (
        "monotonically_increasing_id()",
        "the function 'monotonically_increasing_id' is refused: it gives another value at each run",
    ),
    ("spark_partition_id()", "the function 'spark_partition_id' is refused: it gives another value at each run"),
    ("lag(n) over (order by d)", "window functions (over …) are refused: an expression reads one row"),
    ("assert_true(flag)", "the function 'assert_true' is refused: it can stop the run"),
]
AGGREGATE_REFUSALS: list[tuple[str, str]] = [
    ("sum(amount) + n", "the column 'n' stands outside an aggregate; put it into one: max(n)"),
    ("sum(sum(n))", "sum() stands inside another aggregate"),
    ("first(s)", "the function 'first' is refused: its value depends on the order of rows; use max_by(value, ordered_at) or min_by(…)"),
    ("any_value(s)", "the function 'any_value' is refused: its value depends on the order of rows; use max_by(value, ordered_at) or min_by(…)"),
    ("collect_list(s)", "the function 'collect_list' is refused: its value depends on the order of rows; use max_by(value, ordered_at) or min_by(…)"),
    ("approx_count_distinct(s)", "the function 'approx_count_distinct' is refused: it is not exact; use count(distinct …)"),
    ("sum(distinct n)", "distinct has a place in count(distinct …) only, not in sum()"),
    ("sum(flag)", "sum: 'flag' is a condition where a number is needed; use if(…, 1, 0)"),
    ("max(m)", "max: values of a map have no order"),
    ("count(n, s)", "count takes 1 argument, not 2"),
    ("percentile(n, n)", "percentile: a number must be written here, between quotes if it is a text, not computed"),
    ("percentile(n, 2)", "percentile: 2.0 must be between 0 and 1"),
    ("lower(s) filter (where flag)", "filter (where …) stands after an aggregate"),
    ("exists(tags, t -> count(*) > 1)", "count() stands inside a lambda"),
]  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        "a*a*a*a*b", r"\w+\d*\w+$", ".*foo.*bar.*baz", r"^\s*(.*?)\s*$", "(?:ab)*(?:ab)*(?:ab)*c", "(a*){4}b", "(?i)A*a*A*b",
        r"\w{1,100}\w{1,100}\w{1,100}x", "(x+x+)?x+y", "(?:a*|b)a*a*c", "a*(?:a*|b)a*c", "(?=a*a*a*b)c", "a*a*a*(?=b)", "中+中+中+国",
    ],
)  # fmt: skip
def test_repetitions_that_take_each_others_letters_are_refused(pattern: str) -> None:
    assert "take the same letters from each other" in str(regex_problem(pattern))


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d+)-(\d+)-(\d+)-(\d+)", r"\d+\.?\d*\s*kg", ".*foo.*bar.*", "^.*foo.*bar.*$", r"^\s*(\w+)\s*=\s*(\w+)\s*;$",
        "https?://([^/]+)/([^/]+)/([^?]*)", r"^([^@]+)@([^.]+)\.(.*)$", "[^,]*,[^,]*,[^,]*,x", "(?=.*a)(?=.*b)(?=.*c).*",
        "a{0,9}a{0,9}a{0,9}b", "a+(?:b|c)a+(?:b|c)a+d", "(?:a*|b*|c*)d",
    ],
)  # fmt: skip
def test_repetitions_with_something_else_between_them_pass(pattern: str) -> None:
    assert regex_problem(pattern) is None


@pytest.mark.parametrize(
    "name", ["comment", "show", "set", "update", "delete", "desc", "refresh", "load", "use", "call"]
)
def test_a_column_may_be_called_as_a_statement_begins(name: str) -> None:
    for text in (name, f"{name} is not null", f"coalesce(lower({name}), 'x')"):
        found = compile_expression(text, place="t.yml", columns={name: "string"})
        assert (found.columns, f"`{name}`" in found.sql) == ({name}, True)


@pytest.mark.parametrize(("text", "message"), [*REFUSALS, *AGGREGATE_REFUSALS])
def test_what_is_refused_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compiled(text, aggregates=(text, message) in AGGREGATE_REFUSALS)
    assert refused.value.lines == (f"t.yml: select: {message}",)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with contextlib.suppress(DefinitionError):
        compiled(text)


@given(st.text(max_size=30).filter(lambda text: not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text)))
@settings(max_examples=200, deadline=None)
def test_no_text_gets_out_of_its_quotes(text: str) -> None:
    """What is written for Spark, read again, is one literal with the same text."""
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    sql = compiled(quoted).sql
    again = sqlglot.parse_one(sql, read="spark")
    assert isinstance(again, exp.Literal)
    # Spark and sqlglot keep the backslash of \\% and \\_, for LIKE
    assert compiled(sql).sql == sql


@pytest.mark.parametrize("mark", ["as_of", "day", "measure 0", "rows"])
def test_no_text_is_taken_for_a_mark_of_compiled_sql(rows: DataFrame, mark: str) -> None:
    """`\\0` is a zero byte in a text; the marks for the clock and the aggregates lie between two of them."""
    for text in (rf"concat(max('a'), '\0{mark}\0')", rf"concat(max('a'), '\u0000{mark}\u0000')"):
        found = compiled(text, aggregates=True)
        value = rows.agg(found.column(day=DAY, as_of=AS_OF).alias("x")).collect()[0].x
        assert value == f"a\0{mark}\0"
    assert literal(f"\0{mark}\0") == f"'\\u0000{mark}\\u0000'"  # what a YAML's default or case may be


def test_a_variable_goes_before_a_column_as_in_spark(rows: DataFrame) -> None:
    """Spark tells no T from t; `t` and `n` are columns of other types."""
    for text, wanted in (
        ("transform(numbers, T -> t + 1)", "array<int>"),
        ("filter(tags, n -> N <> 'a')", "array<string>"),
    ):
        found = compiled(text)
        assert found.type == wanted
        assert dict(rows.select(found.column(day=DAY, as_of=AS_OF).alias("x")).dtypes)["x"] == wanted
        assert found.columns in ({"numbers"}, {"tags"})


def test_names_that_an_expression_reads() -> None:
    assert compiled("if(flag, amount, 0) + n * size(filter(tags, t -> t = s))").columns == {
        "flag", "amount", "n", "tags", "s",
    }  # fmt: skip
    assert names_in("orders / nullif(sessions, 0)") == {"orders", "sessions"}
    assert names_in("exists(tags, X -> x = s) or X") == {"tags", "s", "X"}
    assert names_in("not an expression (") == frozenset()


def test_a_source_in_utc_is_read_untouched() -> None:
    text = "to_timestamp(s, 'yyyy-MM-dd HH:mm')"
    assert compiled(text, timezone="UTC").sql == "try_to_timestamp(`s`, 'yyyy-MM-dd HH:mm')"
    assert compiled(text).sql == "try_to_timestamp(`s`, 'yyyy-MM-dd HH:mm')"


def test_the_usual_time_is_read_as_its_pattern_reads_it(spark: SparkSession) -> None:
    texts = [
        "2017-12-30 06:53:26", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2016-02-29 00:00:00",
        "2017-02-29 00:00:00", "2017-13-01 00:00:00", "2017-12-30 24:00:00", "2017-12-30 23:59:60",
        "0000-01-01 00:00:00", "2017-12-30 06:53:2 ", " 2017-12-30 06:53:26", "2017-12-30 06:53:26\n",
        "2017-12-30 06:53:2Z", "2017-12-30T06:53:26", "2017-12-30 6:53:26", "+017-12-30 06:53:26",
        "10000-01-01 00:00:00", "2017-12-30 06:53:26.5", "２017-12-30 06:53:26", "", "n/a", None,
    ]  # fmt: skip
    pattern = "yyyy-MM-dd HH:mm:ss"
    rows = spark.createDataFrame([(text,) for text in texts], "s string").select(
        "s",
        F.expr(compiled(f"to_timestamp(s, '{pattern}')", timezone="UTC").sql).cast("string").alias("ours"),
        F.expr(f"try_to_timestamp(s, '{pattern}')").cast("string").alias("by_pattern"),
    )
    told = rows.collect()
    assert [row["ours"] for row in told] == [row["by_pattern"] for row in told]
    assert all(row["ours"] == row["s"] for row in told[:4])
