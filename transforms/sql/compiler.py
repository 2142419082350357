"""From a parsed expression to safe Spark SQL: each kind of node that is allowed, and how it is written.

A node without a handler here is refused. See transforms/expressions.py for the way in.
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal

from sqlglot import exp

from transforms.definitions import nearest
from transforms.sql import calls, operands, types
from transforms.sql.aggregates import Argument, Measure, taken_apart
from transforms.sql.functions import AGGREGATES, FUNCTIONS, REFUSED
from transforms.sql.operands import AS_OF, DAY, ExpressionError, Part, text_literal

__all__ = ["AS_OF", "DAY", "MEASURE", "Compiler", "ExpressionError"]

MEASURE = "\0measure {}\0"
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.NullSafeEQ: "<=>",
}  # fmt: skip
_ARITHMETIC: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Add: ("+", "try_add({}, {})"), exp.Sub: ("-", "try_subtract({}, {})"),
    exp.Mul: ("*", "try_multiply({}, {})"), exp.Div: ("/", "try_divide({}, {})"), exp.Mod: ("%", "({} % {})"),
}  # fmt: skip
_SUBQUERIES = (exp.Select, exp.Subquery, exp.Exists, exp.SetOperation, exp.Values, exp.Table, exp.From)


class Compiler:
    """Compiles one expression. `read` collects the columns, `measures` the aggregates that it meets."""

    def __init__(
        self,
        *,
        columns: Mapping[str, str],
        timezone: str,
        aggregates: bool,
        what: str,
        noun: str,
        held: Mapping[str, str] | None = None,
    ) -> None:
        self.columns = {name: types.normal(ddl) for name, ddl in columns.items()}
        self.timezone = timezone
        self.aggregates = aggregates
        self.what = what
        self.noun = noun
        self.held = held or {}
        self.read: set[str] = set()
        self.measures: list[Measure] = []
        self.loose: list[str] = []
        self.within_aggregate = False
        self.variables: dict[str, str] = {}

    def compile(self, node: exp.Expr) -> Part:
        """`node` as SQL with its type. Raises ExpressionError for whatever is not allowed."""
        handler = _HANDLERS.get(type(node))
        if handler:
            part = handler(self, node)
            # unlike other negations, those of `not like` and `notnull` are told by the node itself
            return Part(f"(not {part.sql})", "boolean") if node.args.get("negate") else part
        if isinstance(node, _SUBQUERIES):
            raise ExpressionError("subqueries are refused: an expression reads one row")
        if isinstance(node, exp.Window):
            raise ExpressionError("window functions (over …) are refused: an expression reads one row")
        raise ExpressionError(f"'{_shortened(node)}' is refused: {type(node).__name__} has no place in an expression")

    def check_loose_columns(self) -> None:
        """Raise ExpressionError where a column stands beside an aggregate instead of in it."""
        if self.measures and self.loose:
            name = self.loose[0]
            raise ExpressionError(f"the column '{name}' stands outside an aggregate; put it into one: max({name})")

    # names

    def column(self, node: exp.Expr) -> Part:
        names = [part.name for part in node.parts] if isinstance(node, exp.Column) else [node.name]
        if isinstance(node, exp.Column) and any(isinstance(part, exp.Star) for part in node.parts):
            raise ExpressionError("'*' has a place in count(*) only")
        part = self.named(names[0])
        for name in names[1:]:
            part = operands.member(part, name)
        return part

    def named(self, name: str) -> Part:
        # Spark does not tell T from t, and the variable goes before the column
        variable = next((known for known in self.variables if known.lower() == name.lower()), None)
        if variable is not None:
            return Part(quoted(variable), self.variables[variable])
        if name.lower() == "as_of":
            return Part(AS_OF, "timestamp", is_clock=True)
        found = name if name in self.columns else self.insensitive(name)
        if found is None:
            raise ExpressionError(self.unknown(name))
        self.read.add(found)
        if not self.within_aggregate:
            self.loose.append(found)
        return Part(quoted(self.held.get(found, found)), self.columns[found], name=found)

    def insensitive(self, name: str) -> str | None:
        same = [column for column in self.columns if column.lower() == name.lower()]
        return same[0] if len(same) == 1 else None

    def unknown(self, name: str) -> str:
        if name.lower() in REFUSED:
            return f"{name.lower()} is refused: {REFUSED[name.lower()]}"
        place = f" in {self.what}" if self.what else ""
        return f"no {self.noun} '{name}'{place}{nearest(name, [*self.columns, 'as_of'])}"

    # literals

    def literal(self, node: exp.Expr) -> Part:
        if node.args["is_string"]:
            return Part(text_literal(node.name), "string", value=node.name)
        return _number(node.name)

    def boolean(self, node: exp.Expr) -> Part:
        value = bool(node.this)
        return Part(str(value).lower(), "boolean", value=value)

    def null(self, _: exp.Expr) -> Part:
        return Part("null", types.VOID)

    # operators

    def paren(self, node: exp.Expr) -> Part:
        return self.compile(node.this)

    def negative(self, node: exp.Expr) -> Part:
        inner = operands.number(self.compile(node.this))
        if inner.value is not None:
            return Part(f"(-{inner.sql})", inner.type, value=-inner.value)
        kind = inner.type if not types.is_decimal(inner.type) else types.arithmetic("-", "decimal(1,0)", inner.type)
        return Part(f"try_subtract(0, {inner.sql})", kind)

    def arithmetic(self, node: exp.Expr) -> Part:
        operator, template = _ARITHMETIC[type(node)]
        if isinstance(node.expression, exp.Interval) and operator in "+-":
            return operands.shifted(self.compile(node.this), operator, node.expression, self.timezone)
        left, right = self.compile(node.this), self.compile(node.expression)
        if left.type in ("date", "timestamp") and operator in "+-":
            return operands.days_later(left, operator, right)
        left, right = operands.number(left), operands.number(right)
        kind = types.arithmetic(operator, operands.arithmetic_type(left, right), operands.arithmetic_type(right, left))
        return Part(template.format(left.sql, right.sql), kind)

    def whole_division(self, node: exp.Expr) -> Part:
        left, right = operands.number(self.compile(node.this)), operands.number(self.compile(node.expression))
        if {left.type, right.type} & set(types.FRACTIONS):
            raise ExpressionError("div divides whole numbers; use / and floor()")
        return Part(f"({left.sql} div {right.sql})", "bigint")

    def concatenated(self, node: exp.Expr) -> Part:
        both = [operands.text(self.compile(side), self.timezone).sql for side in (node.this, node.expression)]
        return Part(f"concat({', '.join(both)})", "string")

    def comparison(self, node: exp.Expr) -> Part:
        left, right = operands.comparable(self.compile(node.this), self.compile(node.expression), self.timezone)
        return Part(f"({left} {_COMPARISONS[type(node)]} {right})", "boolean")

    def distinct_from(self, node: exp.Expr) -> Part:
        left, right = operands.comparable(self.compile(node.this), self.compile(node.expression), self.timezone)
        return Part(f"(not ({left} <=> {right}))", "boolean")

    def logical(self, node: exp.Expr) -> Part:
        left, right = (operands.condition(self.compile(side)).sql for side in (node.this, node.expression))
        return Part(f"({left} {'and' if isinstance(node, exp.And) else 'or'} {right})", "boolean")

    def negated(self, node: exp.Expr) -> Part:
        return Part(f"(not {operands.condition(self.compile(node.this)).sql})", "boolean")

    def is_(self, node: exp.Expr) -> Part:
        inner = self.compile(node.this)
        match node.expression:
            case exp.Null():
                return Part(f"({inner.sql} is null)", "boolean")
            case exp.Boolean() as truth:
                return Part(f"({operands.condition(inner).sql} <=> {str(bool(truth.this)).lower()})", "boolean")
            case _:
                raise ExpressionError("after IS comes [not] null, true or false")

    def between(self, node: exp.Expr) -> Part:
        if node.args.get("symmetric"):
            raise ExpressionError("between symmetric is refused; write the smaller value first")
        value = self.compile(node.this)
        above = operands.comparable(value, self.compile(node.args["low"]), self.timezone)
        below = operands.comparable(value, self.compile(node.args["high"]), self.timezone)
        return Part(f"({above[0]} >= {above[1]} and {below[0]} <= {below[1]})", "boolean")

    def in_(self, node: exp.Expr) -> Part:
        if node.args.get("query"):
            raise ExpressionError("subqueries are refused: an expression reads one row")
        if not node.expressions:
            raise ExpressionError("after IN come its values between brackets")
        value = self.compile(node.this)
        pairs = [operands.comparable(value, self.compile(item), self.timezone) for item in node.expressions]
        if value.type == "string" and any(types.is_number(self.compile(item).type) for item in node.expressions):
            raise ExpressionError(f"'{_shortened(node.this)}' is text: put the values after IN between quotes")
        if len({left for left, _ in pairs}) > 1:
            raise ExpressionError("the values after IN are of different types")
        return Part(f"({pairs[0][0]} in ({', '.join(right for _, right in pairs)}))", "boolean")

    def pattern(self, node: exp.Expr) -> Part:
        operator = {exp.Like: "like", exp.ILike: "ilike", exp.RegexpLike: "rlike"}[type(node)]  # type: ignore[index]
        if isinstance(node.expression, (exp.Any, exp.All)):
            raise ExpressionError(f"{operator} any and all are refused; join two conditions with or, and")
        value = operands.text(self.compile(node.this), self.timezone)
        pattern = calls.checked_literal(
            self.compile(node.expression), "regex" if operator == "rlike" else "like", operator
        )
        return Part(f"({value.sql} {operator} {pattern.sql})", "boolean")

    def case(self, node: exp.Expr) -> Part:
        subject = self.compile(node.this) if node.this else None
        conditions = [self.case_condition(subject, branch.this) for branch in node.args["ifs"]]
        results = [self.compile(branch.args["true"]) for branch in node.args["ifs"]]
        default = node.args.get("default")
        values = operands.alike([*results, *([self.compile(default)] if default else [])], "case", self.timezone)
        branches = " ".join(f"when {when} then {then.sql}" for when, then in zip(conditions, values, strict=False))
        end = f" else {values[-1].sql}" if default else ""
        return Part(f"(case {branches}{end} end)", values[0].type)

    def case_condition(self, subject: Part | None, node: exp.Expr) -> str:
        if subject is None:
            return operands.condition(self.compile(node)).sql
        left, right = operands.comparable(subject, self.compile(node), self.timezone)
        return f"({left} = {right})"

    def cast(self, node: exp.Expr) -> Part:
        try:
            target = types.normal(node.args["to"].sql(dialect="spark"))
        except ValueError as error:
            raise ExpressionError(f"cast: {error}") from None
        return operands.cast(self.compile(node.this), target, self.timezone)

    def bracket(self, node: exp.Expr) -> Part:
        if len(node.expressions) != 1:
            raise ExpressionError("between [ ] stands one position or key")
        return operands.item(self.compile(node.this), self.compile(node.expressions[0]))

    def dot(self, node: exp.Expr) -> Part:
        if not isinstance(node.expression, exp.Identifier):
            raise ExpressionError(f"'{_shortened(node)}' is refused: functions have no owner")
        return operands.member(self.compile(node.this), node.expression.name)

    # functions

    def function(self, node: exp.Expr) -> Part:
        name = node.name.lower()
        if name in AGGREGATES:
            return self.aggregate(node, None)
        if name in REFUSED:
            raise ExpressionError(f"the function '{name}' is refused: {REFUSED[name]}")
        if name not in FUNCTIONS:
            raise ExpressionError(f"no function '{name}'{nearest(name, [*FUNCTIONS, *AGGREGATES])}")
        allowed = FUNCTIONS[name]
        given = node.expressions
        if len(given) < allowed.fewest or (allowed.most is not None and len(given) > allowed.most):
            raise ExpressionError(f"{name} takes {_count(allowed.fewest, allowed.most)}, not {len(given)}")
        if given and isinstance(given[-1], exp.Lambda):
            source = operands.listed(self.compile(given[0]), name)
            arguments = [source, self.lambda_(given[-1], types.element(source.type), name)]
        else:
            arguments = [self.compile(argument) for argument in given]
        return calls.called(name, allowed, arguments, self.timezone)

    def lambda_(self, node: exp.Expr, element: str, name: str) -> Part:
        if self.variables:
            raise ExpressionError("a lambda inside a lambda is refused")
        if len(node.expressions) != 1:
            raise ExpressionError(f"{name} takes a lambda of one variable: x -> …")
        variable = node.expressions[0].name
        self.variables = {variable: element}
        try:
            body = self.compile(node.this)
        finally:
            self.variables = {}
        return Part(f"{quoted(variable)} -> {body.sql}", body.type, is_lambda=True)

    def filtered(self, node: exp.Expr) -> Part:
        if not (isinstance(node.this, exp.Anonymous) and node.this.name.lower() in AGGREGATES):
            raise ExpressionError("filter (where …) stands after an aggregate")
        return self.aggregate(node.this, node.expression.this)

    def aggregate(self, node: exp.Expr, where: exp.Expr | None) -> Part:
        name = node.name.lower()
        if not self.aggregates:
            raise ExpressionError(f"{name}() is an aggregate, which has no place here: this is about one row")
        if self.within_aggregate:
            raise ExpressionError(f"{name}() stands inside another aggregate")
        if self.variables:
            raise ExpressionError(f"{name}() stands inside a lambda")
        self.within_aggregate = True
        try:
            name, arguments = self.aggregated(name, node.expressions)
            condition = operands.condition(self.compile(where)).sql if where else None
        finally:
            self.within_aggregate = False
        sql, kind = taken_apart(name, [Argument(item.sql, item.type) for item in arguments], condition, self.keep)
        return Part(sql, kind)

    def aggregated(self, name: str, given: list[exp.Expr]) -> tuple[str, list[Part]]:
        if name == "count" and len(given) == 1 and isinstance(given[0], exp.Star):
            return "count", [Part("1", "int")]
        if len(given) == 1 and isinstance(given[0], exp.Distinct):
            if name != "count":
                raise ExpressionError(f"distinct has a place in count(distinct …) only, not in {name}()")
            return "distinct", [operands.sortable(self.compile(item), name) for item in given[0].expressions]
        return name, calls.aggregated(name, [self.compile(item) for item in given], self.timezone)

    def keep(self, measure: Measure) -> str:
        if measure not in self.measures:
            self.measures.append(measure)
        return MEASURE.format(self.measures.index(measure))


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _shortened(node: exp.Expr) -> str:
    text = node.sql(dialect="spark")
    return text if len(text) <= 40 else f"{text[:39]}…"


def _count(fewest: int, most: int | None) -> str:
    if most is None:
        return f"at least {fewest} arguments"
    if fewest == most:
        return f"{most} argument{'s' if most != 1 else ''}"
    return f"{fewest} to {most} arguments"


def _number(text: str) -> Part:
    """A number as Spark reads it: a whole number, a decimal of just its digits, or with an exponent a double."""
    try:
        value = Decimal(text)
    except ArithmeticError:
        raise ExpressionError(f"'{text}' is not a number") from None
    if "e" in text.lower():
        if not math.isfinite(float(text)):
            raise ExpressionError(f"the number {text} is too large")
        return Part(f"{float(text)!r}D", "double", value=float(text))
    _, digits, exponent = value.as_tuple()
    scale = -int(exponent)
    if "." not in text and abs(int(value)) < 2**63:
        return Part(text, "int" if int(value) < 2**31 else "bigint", value=int(value))
    precision = max(len(digits), scale)
    if precision > 38:
        raise ExpressionError(f"the number {text} has more than 38 digits")
    return Part(f"{value:f}BD", f"decimal({precision},{scale})", value=value)


_HANDLERS: dict[type[exp.Expr], Callable[[Compiler, exp.Expr], Part]] = {
    exp.Column: Compiler.column,
    exp.Identifier: Compiler.column,
    exp.Literal: Compiler.literal,
    exp.Boolean: Compiler.boolean,
    exp.Null: Compiler.null,
    exp.Paren: Compiler.paren,
    exp.Neg: Compiler.negative,
    **dict.fromkeys(_ARITHMETIC, Compiler.arithmetic),
    exp.IntDiv: Compiler.whole_division,
    exp.DPipe: Compiler.concatenated,
    **dict.fromkeys(_COMPARISONS, Compiler.comparison),
    exp.NullSafeNEQ: Compiler.distinct_from,
    exp.And: Compiler.logical,
    exp.Or: Compiler.logical,
    exp.Not: Compiler.negated,
    exp.Is: Compiler.is_,
    exp.Between: Compiler.between,
    exp.In: Compiler.in_,
    exp.Like: Compiler.pattern,
    exp.ILike: Compiler.pattern,
    exp.RegexpLike: Compiler.pattern,
    exp.Case: Compiler.case,
    exp.Cast: Compiler.cast,
    exp.TryCast: Compiler.cast,
    exp.Bracket: Compiler.bracket,
    exp.Dot: Compiler.dot,
    exp.Anonymous: Compiler.function,
    exp.Filter: Compiler.filtered,
}
