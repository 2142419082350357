"""Expressions of a query: over the columns of several relations, with windows where these have a place."""

from typing import Protocol

from sqlglot import exp

from transforms.sql import operands
from transforms.sql.compiler import Compiler, ExpressionError
from transforms.sql.operands import Part
from transforms.sql.relations import LATER, Relation, inlined, only, told

_RANKS = ("rank", "dense_rank")


class Columns(Protocol):
    """What expressions of one SELECT may read. `held`: name -> what the column is called; `shared`: name -> owners."""

    relations: dict[str, Relation]
    columns: dict[str, str]
    held: dict[str, str]
    shared: dict[str, list[str]]
    timezone: str


class Scope(Compiler):
    """Compiles expressions that name a column `name` or `relation.name`."""

    def __init__(self, select: Columns, *, aggregates: bool, windows: bool = False) -> None:
        what = ", ".join(select.relations) or "nothing"
        super().__init__(
            columns=select.columns, timezone=select.timezone, aggregates=aggregates, what=what, noun="column",
            held=select.held,
        )  # fmt: skip
        self.select = select
        self.windows = windows

    def column(self, node: exp.Expr) -> Part:
        names = [part.name for part in node.parts] if isinstance(node, exp.Column) else [node.name]
        owner = next((known for known in self.select.relations if known.lower() == names[0].lower()), None)
        is_variable = names[0].lower() in (known.lower() for known in self.variables)
        if owner is None or len(names) == 1 or is_variable:
            if names[0].lower() in self.select.shared and not is_variable:
                owners = " and ".join(self.select.shared[names[0].lower()])
                raise ExpressionError(f"'{names[0]}' is a column of {owners}; write {owners.split()[0]}.{names[0]}")
            return super().column(node)
        part = self.named(f"{owner}.{names[1]}")
        for name in names[2:]:
            part = operands.member(part, name)
        return part

    def compile(self, node: exp.Expr) -> Part:
        if isinstance(node, exp.Window) and self.windows:
            return self._window(node)
        if isinstance(node, exp.Column | exp.Identifier):
            return self.column(node)
        return super().compile(node)

    def _window(self, node: exp.Expr) -> Part:
        only(node, {"this", "partition_by", "order", "over", "spec", "alias"})
        if node.args.get("spec"):
            raise ExpressionError(f"'{told(node)}' is refused: rows between … {LATER}")
        by = [self.compile(item).sql for item in node.args.get("partition_by") or []]
        if not by:
            raise ExpressionError("over (…) needs partition by: otherwise all rows go through one machine")
        order = [self._ordered(item) for item in (node.args["order"].expressions if node.args.get("order") else [])]
        over = f"over (partition by {', '.join(by)}{' order by ' + ', '.join(order) if order else ''})"
        function = node.this
        if isinstance(function, exp.Anonymous) and function.name.lower() in _RANKS:
            if not order or function.expressions:
                raise ExpressionError(f"{function.name.lower()}() takes nothing, and over (… order by …)")
            return Part(f"{function.name.lower()}() {over}", "int")
        inner = Scope(self.select, aggregates=True)
        part = inner.compile(function)
        if not inner.measures:
            raise ExpressionError(f"'{told(function)}' has no place before over (…); use rank() or an aggregate")
        if any(measure.function == "distinct" for measure in inner.measures):
            raise ExpressionError("count(distinct …) has no place before over (…)")
        self.read |= inner.read
        return Part(inlined(part.sql, [f"{measure.sql()} {over}" for measure in inner.measures]), part.type)

    def _ordered(self, node: exp.Expr) -> str:
        part = operands.sortable(self.compile(node.this), "order by")
        return f"{part.sql} {'desc' if node.args.get('desc') else 'asc'} nulls last"
