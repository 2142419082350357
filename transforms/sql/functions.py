"""The functions that an expression may use: names, arguments, result, and how each is written so that it cannot raise.

A signature lists argument kinds, split by commas; `?` marks those that may be left out, `*` the last one, any number of
times. What is not here is refused; REFUSED says why for those that people try.
Those with an empty result depend on their literals and are written in transforms/sql/calls.py.

    text number int date instant moment boolean any    a value of that kind (an instant is a timestamp in UTC,
                                                        a moment its calendar reading in the business time zone)
    list map lambda element same                        element: of the list's type; same: one type in common
    'text 'int 'regex 'like 'read 'write                literals, checked when the expression is compiled
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transforms.sql import types

Types = Sequence[str]
Result = str | Callable[[Types], str]
Write = str | Callable[[Sequence[str], Types], str]


@dataclass(frozen=True)
class Function:
    """An allowed function. `result`: its type, or a rule over the arguments' types; `write`: a template, or a rule."""

    signature: str
    result: Result
    write: Write = ""

    @property
    def kinds(self) -> list[str]:
        return [kind.strip() for kind in self.signature.split(",") if kind.strip()]

    @property
    def fewest(self) -> int:
        return sum(1 for kind in self.kinds if kind[-1] not in "?*")

    @property
    def most(self) -> int | None:
        return None if self.kinds and self.kinds[-1].endswith("*") else len(self.kinds)

    def kind(self, position: int) -> str:
        return self.kinds[min(position, len(self.kinds) - 1)].rstrip("?*")

    def result_type(self, arguments: Types) -> str:
        return self.result if isinstance(self.result, str) else self.result(arguments)

    def written(self, name: str, sql: Sequence[str], arguments: Types) -> str:
        if callable(self.write):
            return self.write(sql, arguments)
        return self.write.format(*sql, all=", ".join(sql)) if self.write else f"{name}({', '.join(sql)})"


def _first(arguments: Types) -> str:
    return arguments[0]


def _last(arguments: Types) -> str:
    return arguments[-1]


def _element(arguments: Types) -> str:
    return types.element(arguments[0])


def _whole(arguments: Types) -> str:
    """The type of ceil and floor."""
    if not types.is_decimal(arguments[0]):
        return "bigint"
    precision, scale = types.digits(arguments[0])
    return types.decimal(precision - scale + 1, 0)


def _short(text: str) -> str:
    """Text that grows with what it is given, kept to a length that a row can hold."""
    return f"left({text}, {types.TEXT_LENGTH})"


def _size(sql: Sequence[str], arguments: Types) -> str:
    # Spark's size(NULL) is -1 outside ANSI mode
    return f"array_size({sql[0]})" if types.base(arguments[0]) == "array" else f"array_size(map_keys({sql[0]}))"


FUNCTIONS: dict[str, Function] = {
    # conditions and choice
    "coalesce": Function("same, same*", _first),
    "nvl": Function("same, same", _first, "coalesce({all})"),
    "ifnull": Function("same, same", _first, "coalesce({all})"),
    "nullif": Function("same, same", _first, "nullif({all})"),
    "if": Function("boolean, same, same", _last),
    "greatest": Function("same, same, same*", _first),
    "least": Function("same, same, same*", _first),
    "isnull": Function("any", "boolean", "({0} is null)"),
    "isnotnull": Function("any", "boolean", "({0} is not null)"),
    # numbers
    "abs": Function("number", _first),
    "sign": Function("number", "double"),
    "ceil": Function("number", _whole),
    "ceiling": Function("number", _whole, "ceil({0})"),
    "floor": Function("number", _whole),
    "round": Function("number, 'int?", ""),
    "bround": Function("number, 'int?", ""),
    "sqrt": Function("number", "double"),
    "exp": Function("number", "double"),
    "ln": Function("number", "double"),
    "log10": Function("number", "double"),
    "log2": Function("number", "double"),
    "log1p": Function("number", "double"),
    "power": Function("number, number", "double"),
    "pow": Function("number, number", "double", "power({all})"),
    "mod": Function("number, number", lambda t: types.arithmetic("%", t[0], t[1]), "({0} % {1})"),
    "isnan": Function("number", "boolean"),
    "try_add": Function("number, number", lambda t: types.arithmetic("+", t[0], t[1])),
    "try_subtract": Function("number, number", lambda t: types.arithmetic("-", t[0], t[1])),
    "try_multiply": Function("number, number", lambda t: types.arithmetic("*", t[0], t[1])),
    "try_divide": Function("number, number", lambda t: types.arithmetic("/", t[0], t[1])),
    "width_bucket": Function("number, number, number, 'int", "bigint"),
    # text
    "lower": Function("text", "string"),
    "lcase": Function("text", "string", "lower({0})"),
    "upper": Function("text", "string"),
    "ucase": Function("text", "string", "upper({0})"),
    "initcap": Function("text", "string"),
    "trim": Function("text", "string"),
    "ltrim": Function("text", "string"),
    "rtrim": Function("text", "string"),
    "btrim": Function("text, text?", "string"),
    "length": Function("text", "int"),
    "char_length": Function("text", "int", "length({0})"),
    "reverse": Function("text", "string"),
    "left": Function("text, int", "string"),
    "right": Function("text, int", "string"),
    "substr": Function("text, int, int?", "string"),
    "substring": Function("text, int, int?", "string"),
    "substring_index": Function("text, text, 'position", "string"),
    "split_part": Function("text, text, 'position", "string"),
    "split": Function("text, 'regex", "array<string>"),
    "concat": Function("text, text*", "string"),
    "concat_ws": Function("'text, text or list*", "string"),
    "lpad": Function("text, 'short, 'text?", "string"),
    "rpad": Function("text, 'short, 'text?", "string"),
    "replace": Function("text, 'text, 'text?", "string", lambda sql, _: _short(f"replace({', '.join(sql)})")),
    "translate": Function("text, 'text, 'text", "string"),
    "regexp_extract": Function("text, 'regex, 'group?", "string"),
    "regexp_replace": Function(
        "text, 'regex, 'replacement", "string", lambda sql, _: _short(f"regexp_replace({', '.join(sql)})")
    ),
    "regexp_like": Function("text, 'regex", "boolean", "({0} rlike {1})"),
    "regexp_count": Function("text, 'regex", "int"),
    "contains": Function("text, text", "boolean"),
    "startswith": Function("text, text", "boolean"),
    "endswith": Function("text, text", "boolean"),
    "instr": Function("text, text", "int"),
    "locate": Function("text, text", "int"),
    "position": Function("text, text", "int"),
    "ascii": Function("text", "int"),
    "levenshtein": Function("text, text", "int"),
    "soundex": Function("text", "string"),
    "md5": Function("text", "string"),
    "sha1": Function("text", "string"),
    "sha2": Function("text, 'int", ""),
    "crc32": Function("text", "bigint"),
    "xxhash64": Function("text, text*", "bigint"),
    "parse_url": Function("text, 'text, 'text?", "string", "try_parse_url({all})"),
    "get_json_object": Function("text, 'text", "string"),
    "from_json": Function("text, 'schema", ""),
    # the calendar
    "to_date": Function("date, 'read?", ""),
    "date": Function("date", "date", "{0}"),
    "to_timestamp": Function("instant, 'read?", ""),
    "try_to_timestamp": Function("instant, 'read?", ""),
    "timestamp": Function("instant", "timestamp", "{0}"),
    "timestamp_seconds": Function("number", "timestamp", "try_cast({0} as timestamp)"),
    "timestamp_millis": Function(
        "number", "timestamp", "try_cast(try_divide(try_cast({0} as decimal(20,0)), 1000) as timestamp)"
    ),
    "unix_timestamp": Function("instant", "bigint", "unix_seconds({0})"),
    "unix_seconds": Function("instant", "bigint"),
    "date_add": Function("date, int", "date"),
    "dateadd": Function("date, int", "date", "date_add({all})"),
    "date_sub": Function("date, int", "date"),
    "datediff": Function("date, date", "int"),
    "date_diff": Function("date, date", "int", "datediff({all})"),
    "months_between": Function("moment, moment", "double"),
    "add_months": Function("date, 'months", "date"),
    "last_day": Function("date", "date"),
    "next_day": Function("date, 'weekday", "date"),
    "make_date": Function("int, int, int", "date"),
    "trunc": Function("date, 'unit", "date"),
    "date_trunc": Function("'unit, moment", ""),
    "date_format": Function("moment, 'write", "string"),
    "year": Function("date", "int"),
    "quarter": Function("date", "int"),
    "month": Function("date", "int"),
    "weekofyear": Function("date", "int"),
    "day": Function("date", "int"),
    "dayofmonth": Function("date", "int"),
    "dayofyear": Function("date", "int"),
    "dayofweek": Function("date", "int"),
    "weekday": Function("date", "int"),
    "hour": Function("moment", "int"),
    "minute": Function("moment", "int"),
    "second": Function("moment", "int"),
    # lists and maps
    "array": Function("same, same*", ""),
    "size": Function("list or map", "int", _size),
    "cardinality": Function("list or map", "int", _size),
    "array_size": Function("list", "int"),
    "array_contains": Function("list, element", "boolean"),
    "array_position": Function("list, element", "bigint"),
    "array_remove": Function("list, element", _first),
    "array_append": Function("list, element", _first),
    "array_distinct": Function("list", _first),
    "array_compact": Function("list", _first),
    "array_union": Function("list, element list", _first),
    "array_intersect": Function("list, element list", _first),
    "array_except": Function("list, element list", _first),
    "arrays_overlap": Function("list, element list", "boolean"),
    "array_join": Function("list, 'text, 'text?", "string", lambda sql, _: _short(f"array_join({', '.join(sql)})")),
    "array_min": Function("list", _element),
    "array_max": Function("list", _element),
    "array_sort": Function("list", _first),
    "sort_array": Function("list, 'boolean?", _first),
    "slice": Function("list, 'position, 'short", _first),
    "flatten": Function("list", _element),
    "element_at": Function("list or map, key", _element, "try_element_at({all})"),
    "try_element_at": Function("list or map, key", _element),
    "get": Function("list, int", _element),
    "map": Function("any, any, any*", ""),
    "map_from_arrays": Function("list, list", ""),
    "map_keys": Function("map", lambda t: f"array<{types.parts(t[0])[0]}>"),
    "map_values": Function("map", lambda t: f"array<{types.parts(t[0])[1]}>"),
    "map_contains_key": Function("map, key", "boolean"),
    "exists": Function("list, lambda", "boolean"),
    "forall": Function("list, lambda", "boolean"),
    "filter": Function("list, lambda", _first),
    "transform": Function("list, lambda", lambda t: f"array<{t[1]}>"),
}  # fmt: skip

# Kept apart, because they are written as calls of their own on rows (transforms/sql/aggregates.py).
AGGREGATES: dict[str, str] = {
    "sum": "number", "try_sum": "number", "avg": "number", "mean": "number", "try_avg": "number",
    "stddev": "number", "stddev_samp": "number", "stddev_pop": "number",
    "variance": "number", "var_samp": "number", "var_pop": "number",
    "count": "any", "count_if": "boolean", "min": "any", "max": "any",
    "bool_or": "boolean", "any": "boolean", "some": "boolean", "bool_and": "boolean", "every": "boolean",
    "median": "number", "percentile": "number, 'share", "max_by": "any, any", "min_by": "any, any",
}  # fmt: skip

UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")

_CLOCK = "it reads the clock; use as_of"
_CHANCE = "it gives another value at each run"
_OUTSIDE = "it reaches outside the row"
_ORDER = "its value depends on the order of rows; use max_by(value, ordered_at) or min_by(…)"
_RAISES = "it can stop the run"
_MEMORY = "it can fill the memory"
REFUSED: dict[str, str] = {
    **dict.fromkeys(
        ("current_date", "current_timestamp", "curdate", "now", "localtimestamp", "current_timezone", "current_time"),
        _CLOCK,
    ),
    **dict.fromkeys(("rand", "random", "randn", "randstr", "uniform", "uuid", "shuffle", "monotonically_increasing_id",
                     "spark_partition_id"), _CHANCE),
    **dict.fromkeys(("reflect", "try_reflect", "java_method", "input_file_name", "input_file_block_start",
                     "input_file_block_length", "current_user", "user", "session_user", "current_database",
                     "current_schema", "current_catalog", "version", "identifier", "read_files", "ai_query",
                     "http_request", "from_avro", "to_avro", "table", "sql_keywords"), _OUTSIDE),
    **dict.fromkeys(("first", "first_value", "last", "last_value", "any_value", "mode", "collect_list", "array_agg",
                     "listagg", "string_agg", "nth_value", "row_number", "rank", "dense_rank", "lag", "lead", "ntile"),
                    _ORDER),
    **dict.fromkeys(("raise_error", "assert_true", "to_number", "to_binary", "unhex", "unbase64", "decode", "encode",
                     "format_string", "printf", "str_to_map", "map_concat", "map_from_entries", "conv", "try_to_number",
                     "from_csv", "schema_of_json", "named_struct", "make_timestamp", "convert_timezone"), _RAISES),
    **dict.fromkeys(("repeat", "space", "sequence", "array_repeat", "aggregate", "reduce", "explode", "posexplode",
                     "inline", "stack", "collect_set", "zip_with"), _MEMORY),
    "approx_count_distinct": "it is not exact; use count(distinct …)",
    "percentile_approx": "it depends on the order of rows; use percentile(…)",
    "approx_percentile": "it depends on the order of rows; use percentile(…)",
}  # fmt: skip
