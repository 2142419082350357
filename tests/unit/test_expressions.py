"""Expressions: what passes, what is refused and with which words, and that nothing which passes can stop a run."""

from collections.abc import Iterator
from datetime import date, datetime

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from transforms.errors import DefinitionError
from transforms.expressions import Expression, compile_expression
from transforms.sql.functions import AGGREGATES, FUNCTIONS, REFUSED

DAY = date(2017, 6, 30)
AS_OF = datetime(2017, 6, 30, 21, 59, 59, 999999)  # the end of that day in Berlin
BERLIN = "Europe/Berlin"
COLUMNS = {
    "s": "string", "t": "string", "n": "int", "b": "bigint", "x": "double", "amount": "decimal(18,4)", "flag": "boolean",
    "d": "date", "ts": "timestamp", "tags": "array<string>", "numbers": "array<int>", "nested": "array<array<string>>",
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
        "repeat('99999999999999999999-12-31 ', 40)", "'\\\\'", "2147483647", "9223372036854775807L", "double('Infinity')",
        "99999999999999.9999", "false", "date'5881580-07-11'", "timestamp_micros(9223372036854775807)",
        "array()", "array(2147483647)", "array()", "map()", "map()", "map('likes', 9223372036854775807L)",
        "named_struct('name', '', 'age', 2147483647)", "array()",
    )  # fmt: skip
    smallest = (
        "''", "'('", "-2147483648", "-9223372036854775808L", "double('NaN')", "-99999999999999.9999", "false",
        "date_add(date'-5877641-06-23', 0)", "timestamp_micros(-9223372036854775808)", "array(null)", "array(null)",
        "array(null)", "map('', null)", "map('email', null)", "map('likes', null)", "named_struct('name', null, 'age', 0)",
        "array(null)",
    )  # fmt: skip
    nothing = ("null",) * len(COLUMNS)
    selects = (
        "select " + ", ".join(f"cast({value} as {ddl}) as {name}" for value, (name, ddl) in zip(row, COLUMNS.items(), strict=True))
        for row in (ordinary, largest, smallest, nothing)
    )
    frame = spark.sql(" union all ".join(selects)).repartition(1).cache()
    yield frame
    frame.unpersist()


# One call of every allowed function, and one of every operator and form.
CALLS = """
coalesce(s, t) | nvl(n, 0) | ifnull(amount, 0) | nullif(s, '') | if(flag, n, b) | if(flag, d, ts) | greatest(n, b, 3)
least(amount, 1) | isnull(s) | isnotnull(s) | abs(n) | abs(amount) | sign(amount) | ceil(amount) | ceil(x) | ceiling(n)
floor(amount) | floor(b) | round(amount, 2) | round(amount, -2) | round(x) | round(n, -1) | bround(amount, 1) | sqrt(x)
exp(x) | ln(amount) | log10(n) | log2(b) | log1p(amount) | power(x, 2) | pow(amount, n) | mod(b, n) | isnan(x)
try_add(n, b) | try_subtract(amount, 1) | try_multiply(b, b) | try_divide(amount, n) | width_bucket(amount, 0, 100, 10)
lower(s) | lcase(s) | upper(s) | ucase(s) | initcap(s) | trim(s) | ltrim(s) | rtrim(s) | btrim(s) | btrim(s, 'C')
length(s) | char_length(s) | reverse(s) | left(s, n) | right(s, n) | substr(s, n) | substr(s, 1, n) | substring(s, -3, 2)
substring_index(s, ',', -1) | split_part(s, ',', -1) | split(s, ', ') | concat(s, n, ts) | concat_ws('-', s, tags, d)
lpad(s, 20, '0') | lpad(s, 3) | rpad(s, 20, ' ') | replace(s, 'a', 'bb') | replace(s, 'a') | translate(s, 'ab', 'x')
regexp_extract(s, '([A-Z])(\\\\d+)', 2) | regexp_extract(s, '(x)') | regexp_replace(s, '(\\\\d)', '<$1>') | regexp_like(s, '^C')
regexp_count(s, ',') | contains(s, t) | startswith(s, t) | endswith(s, t) | instr(s, t) | locate(t, s) | position(t, s)
ascii(s) | levenshtein(s, t) | soundex(s) | md5(s) | sha1(s) | sha2(s, 256) | crc32(s) | xxhash64(s, n)
parse_url(s, 'HOST') | parse_url(s, 'QUERY', 'q') | get_json_object(s, '$.a') | from_json(s, 'array<string>')
from_json(s, 'struct<userName:string,a:array<int>>').userName | from_json(s, 'map<string,int>')
to_date(s) | to_date(ts) | to_date(s, 'yyyy-MM-dd') | date(ts) | date(s) | to_timestamp(s) | to_timestamp(d)
to_timestamp(s, 'dd/MMM/yyyy:HH:mm:ss Z') | try_to_timestamp(s, 'yyyy-MM-dd[ HH:mm]') | timestamp(s) | timestamp_seconds(b)
timestamp_seconds(x) | timestamp_millis(b) | unix_timestamp(ts) | unix_seconds(ts) | date_add(d, n) | date_add(ts, 3)
dateadd(d, n) | date_sub(d, n) | datediff(as_of, ts) | datediff(d, s) | date_diff(ts, d) | months_between(as_of, d)
months_between(ts, d) | add_months(d, -3) | last_day(d) | last_day(ts) | next_day(d, 'MO') | make_date(n, n, n) | trunc(d, 'month')
date_trunc('week', ts) | date_trunc('month', d) | date_trunc('day', as_of) | date_format(ts, 'EEE d MMM yyyy HH:mm')
date_format(d, 'yyyy-MM') | year(d) | quarter(ts) | month(as_of) | weekofyear(d) | day(d) | dayofmonth(ts) | dayofyear(d)
dayofweek(d) | weekday(ts) | hour(ts) | minute(ts) | second(ts) | array(s, t) | array(n, amount) | array(d, ts)
size(tags) | size(m) | cardinality(tags) | array_size(tags) | array_contains(tags, 'a') | array_contains(numbers, 3)
array_position(tags, s) | array_remove(tags, 'a') | array_append(tags, s) | array_distinct(tags) | array_compact(tags)
array_union(tags, tags) | array_intersect(tags, tags) | array_except(tags, tags) | arrays_overlap(tags, tags)
array_join(tags, ',') | array_join(tags, ',', '?') | array_min(numbers) | array_max(tags) | array_sort(tags) | sort_array(tags)
sort_array(numbers, false) | slice(tags, -1, 2) | flatten(nested) | element_at(tags, 2) | element_at(tags, -1) | element_at(m, s)
try_element_at(tags, -2) | get(tags, n) | map('a', s, 'b', t) | map_from_arrays(array('a', 'b'), array(n, b)) | map_keys(ids)
map_values(m) | map_contains_key(m, 'k') | exists(tags, y -> y = s) | forall(numbers, y -> y > n) | filter(tags, y -> y <> 'a')
transform(numbers, y -> y + 1) | transform(people, p -> p.name) | exists(people, p -> p.age > 3)
n + b | n - amount | amount * amount | amount * 2 | amount * 1.5 | amount / n | n / 2 | n % 3 | b div n | n + x | s * n | -n | -amount
-(-3) | 1e3 | 1L | 2.50BD | 12345678901 | .5 | s || n | s || ts | n = b | s = t | s <> 'it''s' | n < amount | x >= 1.5 | d = ts
ts >= d | ts < '2017-06-30' | ts >= timestamp '2017-06-30 10:00:00' | d = '2017-06-30' | d > date '2017-01-01' | s > 5 | s <=> t
s is distinct from t | s is null | s is not null | flag is true | flag is not false | not flag | flag and n > 1 or s = 'a'
n between 1 and 5 | ts between '2017-01-01' and as_of | s not between 'a' and 'b' | n in (1, 2) | n in (1, 2.5, null)
s in ('a', 'b') | s not in ('a') | d in ('2017-06-30') | ts in ('2017-06-30') | s like 'C%' | s not like 'a\\\\_b' | s ilike 'c%'
s rlike '^[A-Z]+(?:-\\\\d{2})?$' | s not rlike 'x' | case when flag then 1 when n > 3 then 2.5 else b end | case s when 'a' then d end
case when flag then d else ts end | cast(s as int) | cast(n as string) | cast(ts as date) | cast(ts as string) | cast(d as timestamp)
cast(s as timestamp) | cast(s as date) | cast(b as int) | cast(x as bigint) | cast(x as decimal(10,2)) | cast(amount as int)
cast(s as decimal(38,0)) | cast(s as boolean) | cast(flag as int) | cast(ts as bigint) | cast(b as timestamp) | cast(x as timestamp)
cast(tags as array<int>) | cast(null as date) | n::string | try_cast(s as double) | s::date | tags[0] | tags[n] | m['k']
ids['email'][0] | m.k | counts.likes | who.name | people.name | people[0].age | as_of - interval 30 days | ts + interval 2 hours
d + interval 1 month | d - interval 1 year | d + 3 | d - n | null | true | 'a\\nb' | "double quoted" | `s` | as_of | date '2016-02-29'
timestamp '2017-01-01 00:00:00+02:00' | coalesce(ts, as_of) | greatest(ts, as_of) | hour(greatest(ts, as_of)) | N | `S`
""".replace("\n", " | ").split(" | ")[1:-1]
AGGREGATE_CALLS = """
sum(amount) | sum(n) | sum(b) | sum(x) | sum(s) | try_sum(n) | avg(amount) | avg(n) | avg(x) | mean(b) | try_avg(n) | stddev(amount)
stddev_samp(n) | stddev_pop(x) | variance(amount) | var_samp(n) | var_pop(b) | count(*) | count(s) | count(distinct s)
count(distinct s, n) | count_if(flag) | min(s) | max(ts) | min(d) | max(flag) | max(tags) | bool_or(flag) | any(n > 1) | some(flag)
bool_and(flag) | every(flag) | median(amount) | percentile(n, 0.9) | max_by(s, ts) | min_by(who, n) | max_by(tags, ts)
sum(amount) filter (where flag) | count(*) filter (where n > 1) | sum(amount) / count(distinct s) | datediff(as_of, max(ts))
round(sum(amount) / nullif(count(*), 0), 2) | case when count(*) > 2 then 'many' else 'few' end | coalesce(max(s), 'none')
max(hour(ts)) | sum(if(flag, amount, 0)) | sum(-amount) | count(*) * 2 + sum(n)
""".replace("\n", " | ").split(" | ")[1:-1]


def _name(text: str) -> str:
    return text.split("(")[0]


def test_every_allowed_function_is_called_below() -> None:
    text = " ".join(CALLS)
    assert [name for name in FUNCTIONS if f"{name}(" not in text] == []
    assert [name for name in AGGREGATES if f"{name}(" not in " ".join(AGGREGATE_CALLS)] == []
    assert not set(FUNCTIONS) & set(REFUSED)


def _same_type(spark_type: str, ours: str) -> bool:
    return spark_type == ours


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
