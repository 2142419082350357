"""One SELECT of a query: its relations, joins, groups and what it gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlglot import exp

from transforms.sql import operands, types
from transforms.sql.compiler import ExpressionError, quoted
from transforms.sql.functions import AGGREGATES
from transforms.sql.operands import Part
from transforms.sql.relations import LATER, Relation, inlined, only, told, view_of
from transforms.sql.scopes import Scope

# The parts of a SELECT that have a place here; any other that is given is refused by its name.
_SELECT = {"expressions", "from_", "joins", "where", "group", "having", "distinct", "with_", "kind"}
_JOINS = {
    ("", ""): "inner join", ("", "INNER"): "inner join", ("LEFT", ""): "left join", ("RIGHT", ""): "right join",
    ("FULL", ""): "full join", ("LEFT", "OUTER"): "left join", ("RIGHT", "OUTER"): "right join",
    ("FULL", "OUTER"): "full join", ("LEFT", "SEMI"): "left semi join", ("LEFT", "ANTI"): "left anti join",
    ("", "SEMI"): "left semi join", ("", "ANTI"): "left anti join",
}  # fmt: skip


class Select:
    """Compiles one SELECT.

    `relation`: what stands in `from` or after `join`, and its name; `read`: entity -> columns, which it adds to.
    """

    def __init__(
        self, node: exp.Expr, *, relation: Callable[[exp.Expr], tuple[str, Relation]],
        read: Mapping[str, set[str]], timezone: str,
    ) -> None:  # fmt: skip
        self.node = node
        self.relation = relation
        self.read = read
        self.timezone = timezone
        only(node, _SELECT)
        if node.args.get("kind"):
            raise ExpressionError("select as struct is refused")
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise ExpressionError(f"distinct on is refused: {LATER}")
        if node.args.get("from_") is None:
            raise ExpressionError("says nowhere what it reads: from {transaction}")
        self.relations: dict[str, Relation] = {}
        self.columns: dict[str, str] = {}
        self.held: dict[str, str] = {}
        self.shared: dict[str, list[str]] = {}

    def compiled(self) -> Relation:
        from_ = self._add(self.node.args["from_"].this)
        joins = [self._join(join) for join in self.node.args.get("joins") or []]
        where = self._condition("where", aggregates=False)
        keys = self._keys()
        items = self._items(keys)
        having = self._condition("having", aggregates=True, keys=keys)
        grouped = f" group by {', '.join(keys)}" if keys else ""
        chosen = ", ".join(f"{part.sql} as {quoted(name)}" for name, part in items.items())
        distinct = "distinct " if self.node.args.get("distinct") else ""
        sql = f"(select {distinct}{chosen} from {from_}{''.join(joins)}{where}{grouped}{having})"
        return Relation(sql, {name: part.type for name, part in items.items()})

    def _add(self, node: exp.Expr) -> str:
        """A relation of `from`, its columns renamed so that those of two relations cannot be mixed up."""
        name, relation = self.relation(node)
        if name.lower() in (known.lower() for known in self.relations):
            raise ExpressionError(f"'{name}' stands twice in from; give one of them another name: {{entity}} b")
        for own in self.relations:
            for column in relation.columns.keys() & self.relations[own].columns.keys():
                self.shared.setdefault(column.lower(), [own]).append(name)
        alias = f"_r{len(self.relations)}"
        self.relations[name] = relation
        for column, kind in relation.columns.items():
            self.columns[f"{name}.{column}"] = kind
            self.held[f"{name}.{column}"] = f"{alias}.{column}"
            if column.lower() not in self.shared:
                self.columns[column] = kind
                self.held[column] = f"{alias}.{column}"
            else:
                self.columns.pop(column, None)
        renamed = ", ".join(f"{quoted(column)} as {quoted(f'{alias}.{column}')}" for column in relation.columns)
        return f"(select {renamed} from {relation.sql})"

    def _join(self, node: exp.Expr) -> str:
        only(node, {"this", "side", "kind", "on", "using"})
        how = _JOINS.get((str(node.args.get("side") or ""), str(node.args.get("kind") or "")))
        if how is None or not (node.args.get("on") or node.args.get("using")):
            raise ExpressionError(f"'{told(node)}' is refused: a join says what is equal on both sides: … on a.x = b.x")
        before = set(self.relations)
        right = self._add(node.this)
        (name,) = set(self.relations) - before
        on = self._using(node, name, before) if node.args.get("using") else node.args["on"]
        scope = Scope(self, aggregates=False)
        condition = operands.condition(scope.compile(on))
        self._note(scope)
        if not any(self._ties(part, name) for part in _conjuncts(on)):
            raise ExpressionError(f"join {name}: its on needs a value that is equal on both sides: on a.x = b.x")
        people = [own for own in self.relations if "customer_id" in self.relations[own].columns]
        if name in people and len(people) > 1 and not any(self._same_customer(part, name) for part in _conjuncts(on)):
            raise ExpressionError(f"join {name}: holds one customer's rows against another's; join on customer_id too")
        if how in ("left semi join", "left anti join"):
            self._forget(name)
        elif node.args.get("using") and how in ("inner join", "left join"):
            self._share(node, before)
        return f" {how} {right} on {condition.sql}"

    def _using(self, node: exp.Expr, name: str, before: set[str]) -> exp.Expr:
        conditions = []
        for column in node.args["using"]:
            owners = [own for own in self.relations if own in before and column.name in self.relations[own].columns]
            if not owners or column.name not in self.relations[name].columns:
                raise ExpressionError(f"join {name} using ({column.name}): both sides must have that column")
            conditions.append(exp.EQ(this=exp.column(column.name, owners[0]), expression=exp.column(column.name, name)))
        return exp.and_(*conditions, copy=False)

    def _share(self, node: exp.Expr, before: set[str]) -> None:
        """What both sides are joined by is one column, that of the left side."""
        for column in node.args["using"]:
            owner = next(own for own in self.relations if own in before and column.name in self.relations[own].columns)
            self.shared.pop(column.name.lower(), None)
            self.columns[column.name] = self.relations[owner].columns[column.name]
            self.held[column.name] = self.held[f"{owner}.{column.name}"]

    def _ties(self, node: exp.Expr, name: str) -> bool:
        """Does an equality hold a value of the joined relation against one of those before it?"""
        if not isinstance(node, exp.EQ):
            return False
        sides = []
        for side in (node.this, node.expression):
            scope = Scope(self, aggregates=False)
            scope.compile(side)
            sides.append({self.held[column].split(".")[0] for column in scope.read})
        own = f"_r{list(self.relations).index(name)}"
        return ({own} == sides[0] and bool(sides[1]) and own not in sides[1]) or (
            {own} == sides[1] and bool(sides[0]) and own not in sides[0]
        )

    def _same_customer(self, node: exp.Expr, name: str) -> bool:
        sides = [getattr(node, "this", None), getattr(node, "expression", None)]
        ids = [side for side in sides if isinstance(side, exp.Column) and side.name.lower() == "customer_id"]
        return self._ties(node, name) and len(ids) == len(sides)

    def _forget(self, name: str) -> None:
        """The right side of a semi join says only which rows stay."""
        for column in self.relations[name].columns:
            self.columns.pop(f"{name}.{column}", None)
            owners = self.shared.get(column.lower(), [])
            if name in owners:
                owners.remove(name)
                if len(owners) == 1:
                    del self.shared[column.lower()]
                    kept = next(key for key in self.relations[owners[0]].columns if key.lower() == column.lower())
                    self.columns[kept] = self.relations[owners[0]].columns[kept]
                    self.held[kept] = self.held[f"{owners[0]}.{kept}"]
            elif self.held.get(column, "").startswith(f"_r{list(self.relations).index(name)}."):
                self.columns.pop(column, None)

    def _condition(self, key: str, *, aggregates: bool, keys: Sequence[str] = ()) -> str:
        node = self.node.args.get(key)
        if node is None:
            return ""
        if key == "having" and not keys:
            raise ExpressionError("having stands after group by")
        part = self._value(node.this, keys, aggregates=aggregates)
        if part.type not in ("boolean", types.VOID):
            raise ExpressionError(f"{key}: is {types.describe(part.type)}, not a condition")
        return f" {key} {part.sql}"

    def _keys(self) -> list[str]:
        group = self.node.args.get("group")
        if group is None:
            return []
        only(group, {"expressions"}, "group by")
        keys = []
        for node in group.expressions:
            if isinstance(node, exp.Literal):
                raise ExpressionError("group by: name the columns, not their positions")
            keys.append(self._value(node, (), aggregates=False).sql)
        return keys

    def _items(self, keys: Sequence[str]) -> dict[str, Part]:
        aggregated = bool(keys) or any(_is_aggregate(item) for item in self.node.expressions)
        items: dict[str, Part] = {}
        for name, node in self._selected():
            part = self._value(node, keys, aggregates=aggregated, windows=not aggregated)
            if name.lower() in (known.lower() for known in items):
                raise ExpressionError(f"select: gives '{name}' twice; name one of them otherwise: … as other")
            items[name] = Part(part.sql if part.name else operands.bounded(part.sql, part.type), part.type)
        return items

    def _selected(self) -> Iterator[tuple[str, exp.Expr]]:
        for node in self.node.expressions:
            if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                raise ExpressionError("select *: name the columns")
            if isinstance(node, exp.Alias):
                yield node.alias, node.this
            elif isinstance(node, exp.Column):
                yield node.name, node
            else:
                raise ExpressionError(f"'{told(node)}' needs a name: {told(node)} as value")

    def _value(self, node: exp.Expr, keys: Sequence[str], *, aggregates: bool, windows: bool = False) -> Part:
        scope = Scope(self, aggregates=aggregates, windows=windows)
        part = scope.compile(node)
        self._note(scope)
        if part.sql in keys:
            return part
        if aggregates:
            loose = [name for name in scope.loose if quoted(self.held[name]) not in keys]
            if loose:
                raise ExpressionError(f"the column '{loose[0]}' stands neither in group by nor in an aggregate")
        return Part(inlined(part.sql, [measure.sql() for measure in scope.measures]), part.type)

    def _note(self, scope: Scope) -> None:
        """What was read of the entities among the relations."""
        names = list(self.relations)
        for column in scope.read:
            place, _, own = self.held[column].partition(".")
            sql = self.relations[names[int(place[2:])]].sql
            for entity, read in self.read.items():
                if sql == quoted(view_of(entity)):
                    read.add(own)


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Paren):
        yield from _conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    else:
        yield node


def _is_aggregate(node: exp.Expr) -> bool:
    inside = {id(part) for other in node.find_all(exp.Window, exp.Select) for part in other.walk()}
    return any(part.name.lower() in AGGREGATES for part in node.find_all(exp.Anonymous) if id(part) not in inside)
