"""What a YAML expression may say: parsed with sqlglot, checked node by node, and written anew so that it is safe.

Nothing of the user's text reaches Spark as it stands: casts, divisions, sums and date parsing become their `try_`
forms, names stand between backquotes and texts between escaped quotes. Compiling needs no JVM.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parsers.spark import SparkParser
from sqlglot.tokenizer_core import Token, TokenType

from transforms.errors import DefinitionError
from transforms.sql.aggregates import Measure
from transforms.sql.compiler import AS_OF, DAY, MEASURE, Compiler, ExpressionError
from transforms.sql.queries import Queries
from transforms.sql.revealing import told_by, told_by_query

if TYPE_CHECKING:
    from pyspark.sql import Column

LONGEST = 10_000
DEEPEST = 60


_NAMES = SparkParser.ID_VAR_TOKENS


class AsWritten(Spark):
    """Spark's grammar, with texts and names as expressions have them."""

    class Tokenizer(Spark.Tokenizer):
        """Two quotes in a text are one; and an expression is no statement."""

        STRING_ESCAPES = ["\\", "'"]
        # comment, show and update are columns like any other
        COMMANDS: ClassVar[set[Any]] = set()


class _Dialect(AsWritten):
    """The same, in which a function is only a name and its arguments: nothing is rewritten while parsing."""

    class Parser(SparkParser):
        STATEMENT_PARSERS: ClassVar[dict[Any, Any]] = {
            token: rule for token, rule in SparkParser.STATEMENT_PARSERS.items() if token not in _NAMES
        }
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS = {name: SparkParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS = {"CASE": SparkParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}


@dataclass(frozen=True)
class Expression:
    """A compiled expression. `type` is Spark DDL, `columns` the columns that it reads.

    `sql` is what Spark is given, with marks for the clock and for `measures`, the aggregates in it.
    """

    text: str
    columns: frozenset[str]
    type: str
    sql: str
    measures: tuple[Measure, ...] = ()

    @property
    def is_aggregate(self) -> bool:
        return bool(self.measures)

    def column(self, *, day: date, as_of: datetime) -> "Column":
        """The expression as a Column that does not raise on any row. `as_of`: the end of the business day, UTC."""
        from pyspark.sql import functions as F

        inline = [measure.sql() for measure in self.measures]
        return F.expr(at(self.over(inline), day=day, as_of=as_of))

    def over(self, measures: Sequence[str]) -> str:
        """The SQL around the aggregates, with `measures` (SQL, or quoted column names) in their places."""
        sql = self.sql
        for position, measure in enumerate(measures):
            sql = sql.replace(MEASURE.format(position), measure)
        return sql


def at(sql: str, *, day: date, as_of: datetime) -> str:
    """Compiled SQL with the clock set: `as_of` is the last microsecond of the business day `day`, in UTC."""
    moment = (as_of.astimezone(UTC) if as_of.tzinfo else as_of).strftime("%Y-%m-%d %H:%M:%S.%f")
    return sql.replace(AS_OF, f"timestamp'{moment}+00:00'").replace(DAY, f"date'{day.isoformat()}'")


def compile_expression(
    text: str,
    *,
    place: str,
    columns: Mapping[str, str],
    timezone: str = "UTC",
    aggregates: bool = False,
    what: str = "",
    noun: str = "column",
    held: Mapping[str, str] | None = None,
) -> Expression:
    """A user's expression over `columns` (name -> Spark DDL type), checked and made safe.

    `timezone` is the business's: calendar functions read a timestamp in it. `aggregates`: whether sum() and the like
    have a place here. `what` names the columns' owner in messages, `noun` what a name stands for (column, tag).
    `held`: name -> what the column is called in the frame, where that is something else.
    Raises DefinitionError: one line that begins with `place` and says what is wrong.
    """
    compiler = Compiler(columns=columns, timezone=timezone, aggregates=aggregates, what=what, noun=noun, held=held)
    try:
        node = _parsed(str(text))
        part = compiler.compile(node)
        compiler.check_loose_columns()
    except ExpressionError as problem:
        raise DefinitionError(f"{place}: {problem}") from None
    except RecursionError:
        raise DefinitionError(f"{place}: is nested too deeply") from None
    return Expression(str(text), frozenset(compiler.read), part.type, part.sql, tuple(compiler.measures))


@dataclass(frozen=True)
class Query:
    """A compiled query. `columns`: what it gives -> Spark DDL; `reads`: entity -> the columns that it reads of it.

    `sql` reads views named by `transforms.sql.queries.view_of`, with marks for the clock.
    """

    columns: Mapping[str, str]
    reads: Mapping[str, frozenset[str]]
    sql: str


def compile_query(text: str, *, place: str, entities: Mapping[str, Mapping[str, str]], timezone: str = "UTC") -> Query:
    """A user's query over `entities` (name -> column -> Spark DDL), which it names between braces, made safe.

    Raises DefinitionError: one line that begins with `place` and says what is wrong.
    """
    queries = Queries(entities, timezone)
    try:
        relation = queries.compile(_parsed(str(text), braces=True))
    except ExpressionError as problem:
        raise DefinitionError(f"{place}: {problem}") from None
    except RecursionError:
        raise DefinitionError(f"{place}: is nested too deeply") from None
    return Query(relation.columns, {name: frozenset(read) for name, read in queries.read.items()}, relation.sql)


def _entities(tokens: Sequence[Any]) -> list[Any]:
    """The tokens, with `{name}` as one of them."""
    found: list[Any] = []
    for token in tokens:
        found.append(token)
        if [part.token_type for part in found[-3:-2] + found[-1:]] == [TokenType.L_BRACE, TokenType.R_BRACE]:
            name = found[-2].text
            found[-3:] = [Token(TokenType.IDENTIFIER, "{" + name + "}")]
    return found


def _parsed(text: str, *, braces: bool = False) -> exp.Expr:
    if len(text) > LONGEST:
        raise ExpressionError(f"is longer than {LONGEST} characters")
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", text) or not _is_unicode(text):
        raise ExpressionError("holds a control character")
    dialect = _Dialect()
    try:
        tokens = dialect.tokenize(text)
        _check_tokens(tokens)
        tokens = _entities(tokens) if braces else tokens
        trees = [tree for tree in dialect.parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise ExpressionError(_parse_message(error)) from None
    except SqlglotError:
        raise ExpressionError("cannot be read; is a quote without its partner?") from None
    if not trees:
        raise ExpressionError("is empty; write an expression")
    if len(trees) > 1:
        raise ExpressionError("holds a ';'; one expression is enough")
    return trees[0]


def _check_tokens(tokens: Sequence[object]) -> None:
    depth = deepest = 0
    for token in tokens:
        if getattr(token, "comments", None):
            raise ExpressionError("comments are refused; say it in the description")
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(getattr(token, "text", ""), 0)
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ExpressionError("is nested too deeply")


def _parse_message(error: ParseError) -> str:
    found = error.errors[0] if error.errors else {}
    near = str(found.get("highlight") or "").strip()
    return f"cannot be read near '{near}'" if near else "cannot be read; does it end too early?"


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def names_in(text: str) -> frozenset[str]:
    """The names of columns that an expression may read; none of one that cannot be read."""
    try:
        tree = _parsed(str(text))
    except (ExpressionError, RecursionError):
        return frozenset()
    return frozenset(column.parts[0].name for column in tree.find_all(exp.Column) if not _is_variable(column))


def _is_variable(column: exp.Column) -> bool:
    """Is it that of the lambda that it stands in? Spark does not tell X from x."""
    lambda_ = column.find_ancestor(exp.Lambda)
    names = [variable.name.lower() for variable in lambda_.expressions] if lambda_ else []
    return column.parts[0].name.lower() in names


def canonical_names_in(text: str) -> frozenset[str]:
    """`names_in` as the columns of an entity or the tags that they are: those have names of small letters, however an
    expression writes them."""
    return frozenset(name.lower() for name in names_in(text))


def told_in(text: str) -> frozenset[str]:
    """The columns or tags, in small letters, whose text or digits an expression's value may tell; none of one that
    cannot be read."""
    try:
        return told_by(_parsed(str(text)))
    except (ExpressionError, RecursionError):
        return frozenset()


def told_in_query(text: str, output: str) -> frozenset[tuple[str, str]]:
    """(entity, column) whose text or digits a query's column `output` may tell; none of one that cannot be read."""
    try:
        return told_by_query(_parsed(str(text), braces=True), output)
    except (ExpressionError, RecursionError):
        return frozenset()
