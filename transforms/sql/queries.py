"""A user's query over silver, checked node by node and written anew: it reads the entities it names, and nothing else.

`{transaction}` between braces names an entity. Selects, joins on equal values, groups, unions, `with` and queries in
`from` are allowed, and every expression in them is compiled as in any other place (transforms/expressions.py). What is
not listed here is refused: tables by name or path, scalar subqueries, and whatever depends on the order of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from transforms.definitions import nearest
from transforms.sql import types
from transforms.sql.compiler import ExpressionError, quoted
from transforms.sql.relations import Relation, only, told, view_of
from transforms.sql.selects import Select

LONGEST = 200_000


@dataclass
class Queries:
    """Compiles one query. `entities`: name -> column -> type. `read` collects what it reads of each."""

    entities: Mapping[str, Mapping[str, str]]
    timezone: str
    read: dict[str, set[str]] = field(default_factory=dict)
    named: dict[str, Relation] = field(default_factory=dict)

    def compile(self, node: exp.Expr) -> Relation:
        """Raises ExpressionError for whatever is not allowed."""
        if isinstance(node, exp.Subquery):
            only(node, {"this", "alias"})
            return self.compile(node.this)
        outer = dict(self.named)
        try:
            self._take_names(node)
            relation = self._union(node) if isinstance(node, exp.Union) else self._select(node)
        finally:
            self.named = outer
        if len(relation.sql) > LONGEST:  # a name of `with` is written out wherever it is read
            raise ExpressionError("is too large: its queries read each other too many times")
        return relation

    def _select(self, node: exp.Expr) -> Relation:
        if isinstance(node, exp.Select):
            return Select(node, relation=self.relation, read=self.read, timezone=self.timezone).compiled()
        raise ExpressionError(f"'{told(node)}' is refused: a query begins with select or with")

    def _take_names(self, node: exp.Expr) -> None:
        with_ = node.args.get("with_")
        if with_ is None:
            return
        if with_.args.get("recursive"):
            raise ExpressionError("with recursive is refused: it may never end")
        for part in with_.expressions:
            only(part, {"this", "alias"})
            if part.args["alias"].args.get("columns"):
                raise ExpressionError(f"with {part.alias} (…): name the columns in its select")
            self.named[part.alias.lower()] = self.compile(part.this)

    def _union(self, node: exp.Expr) -> Relation:
        only(node, {"this", "expression", "distinct", "with_"})
        left, right = self.compile(node.this), self.compile(node.expression)
        if len(left.columns) != len(right.columns):
            counts = f"{len(left.columns)} columns and {len(right.columns)}"
            raise ExpressionError(f"union: both sides must have as many columns, these have {counts}")
        common = []
        for (name, one), other in zip(left.columns.items(), right.columns.values(), strict=True):
            kind = types.common(one, other)
            if kind is None:
                raise ExpressionError(f"union: '{name}' is {types.describe(one)} and {types.describe(other)}")
            common.append((name, kind))
        sides = (_cast_as(side, common) for side in (left, right))
        return Relation(f"({(' union ' if node.args.get('distinct') else ' union all ').join(sides)})", dict(common))

    def relation(self, node: exp.Expr) -> tuple[str, Relation]:
        """What stands in `from` or after `join`, with the name by which its columns may be called."""
        if isinstance(node, exp.Subquery):
            if not node.alias:
                raise ExpressionError("a query in from needs a name: from (select …) t")
            return node.alias, self.compile(node)
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise ExpressionError(f"'{told(node)}' is refused: from takes {{entity}}, a name of with, or (select …) t")
        only(node, {"this", "alias", "db", "catalog"})
        name = node.this.name
        if node.args.get("db") or node.args.get("catalog"):
            raise ExpressionError(f"'{told(node)}' is refused: a query reads entities between braces, nothing else")
        if name.startswith("{"):
            entity = name[1:-1]
            if entity not in self.entities:
                raise ExpressionError(f"no entity '{entity}'{nearest(entity, self.entities)}")
            self.read.setdefault(entity, set())
            return node.alias or entity, Relation(quoted(view_of(entity)), self.entities[entity])
        if name.lower() not in self.named:
            hint = f"; write {{{name}}}" if name in self.entities else nearest(name, self.named)
            raise ExpressionError(f"no table '{name}': a query reads entities between braces{hint}")
        return node.alias or name, self.named[name.lower()]


def _cast_as(side: Relation, columns: Sequence[tuple[str, str]]) -> str:
    """A side of a union, with the names of the first and the types that both have in common."""
    chosen = (
        f"{quoted(own) if kind == types.VOID else f'cast({quoted(own)} as {kind})'} as {quoted(name)}"
        for own, (name, kind) in zip(side.columns, columns, strict=True)
    )
    return f"(select {', '.join(chosen)} from {side.sql})"
