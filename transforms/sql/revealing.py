"""What of the columns that it reads a value may tell: their text or their digits, whole or in part.

A count, a comparison, a length or an age says nothing of the text it was made from. What copies it, cuts it, reads it
as a number or hashes it does: whoever has a list of addresses can hash them too.
"""

from collections.abc import Callable, Mapping
from functools import partial

from sqlglot import exp

# A column and the part of its date that is told: year, month, …; '' is all of it.
Told = tuple[str, str]
_Owner = Callable[[exp.Column], frozenset[Told]]
_NONE = frozenset[Told]()

_CONDITIONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.And, exp.Or, exp.Not,
    exp.Is, exp.Between, exp.In, exp.Like, exp.ILike, exp.RegexpLike,
)  # fmt: skip
_SILENT = {
    "isnull", "isnotnull", "isnan", "sign", "length", "char_length", "regexp_like", "regexp_count", "contains",
    "startswith", "endswith", "instr", "locate", "position", "levenshtein", "size", "cardinality", "array_size",
    "array_contains", "array_position", "arrays_overlap", "map_contains_key", "exists", "forall", "count", "count_if",
    "bool_or", "any", "some", "bool_and", "every",
}  # fmt: skip
_PARTS = {
    "year", "quarter", "month", "weekofyear", "day", "dayofmonth", "dayofweek", "weekday", "hour", "minute", "second",
}  # fmt: skip
_DISTANCES = ("datediff", "date_diff", "months_between")
_WHOLE = ("floor", "ceil", "ceiling", "round", "bround")
_FIRST_ALONE = ("filter", "max_by", "min_by")


def told_by(tree: exp.Expr) -> frozenset[str]:
    """The columns that an expression's value may tell of, in small letters."""
    return _enough(_told(tree, lambda column: frozenset({(column.parts[0].name.lower(), "")})))


def told_by_query(tree: exp.Expr, output: str) -> frozenset[tuple[str, str]]:
    """(entity, column) that a query's column `output` may tell of; a column may be named of several entities."""
    found = _enough(_gives(tree, {}).get(output, _NONE))
    return frozenset((entity, column) for entity, _, column in (name.partition(".") for name in found))


def _enough(found: frozenset[Told]) -> frozenset[str]:
    """One part of a date, such as the month, is many people's; two of them are taken for all of it."""
    names = [name for name, _ in found]
    return frozenset(name for name, part in found if not part or names.count(name) > 1)


def _told(node: exp.Expr, owner: _Owner, *, distances: bool = True) -> frozenset[Told]:
    """`distances`: whether the days from one date to another tell these, as they do until they are cut to years."""
    told = partial(_told, owner=owner, distances=distances)
    match node:
        case exp.Column():
            return owner(node)
        case exp.Case():
            results = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
            return _NONE.union(*(told(result) for result in results if result))
        case exp.Filter() | exp.Window():
            return told(node.this)
        case exp.IntDiv():
            return _told(node.this, owner, distances=False)
        case exp.Cast() if node.to.is_type(*exp.DataType.INTEGER_TYPES):
            return _told(node.this, owner, distances=distances and not _is_cut(node.this))
        case exp.Anonymous():
            return _by_call(node, owner, distances=distances)
    return _NONE if isinstance(node, _CONDITIONS) else _NONE.union(*map(told, node.iter_expressions()))


def _by_call(node: exp.Anonymous, owner: _Owner, *, distances: bool) -> frozenset[Told]:
    name, given = node.name.lower(), node.expressions
    if name in _SILENT or (name in _DISTANCES and not distances):
        return _NONE
    if name in _WHOLE and len(given) == 1:
        distances = distances and not _is_cut(given[0])
    if name == "if" or name in _FIRST_ALONE:
        given = given[1:] if name == "if" else given[:1]
    found = _NONE.union(*(_told(argument, owner, distances=distances) for argument in given))
    return frozenset((column, part or name) for column, part in found) if name in _PARTS else found


def _is_cut(node: exp.Expr) -> bool:
    """Is there a fraction to cut off: of a month, or of what was divided?"""
    return any(isinstance(part, exp.Div) or part.name.lower() == "months_between" for part in node.walk())


def _gives(node: exp.Expr, named: Mapping[str, Mapping[str, frozenset[Told]]]) -> dict[str, frozenset[Told]]:
    """Column -> what of the entities it tells. `named`: the queries of `with` that stand before."""
    known = dict(named)
    for part in node.args["with_"].expressions if node.args.get("with_") else []:
        known[part.alias.lower()] = _gives(part.this, known)
    if isinstance(node, exp.Subquery):
        return _gives(node.this, known)
    if isinstance(node, exp.SetOperation):
        both = zip(_gives(node.this, known).items(), _gives(node.expression, known).values(), strict=False)
        return {name: one | other for (name, one), other in both}
    joins = node.args.get("joins") or []
    sources = [_source(part.this, known) for part in (node.args.get("from_"), *joins) if part]

    def owner(column: exp.Column) -> frozenset[Told]:
        first, *rest = (part.name.lower() for part in column.parts)
        own = [source for alias, source in sources if rest and alias == first]
        name = rest[0] if own else first
        return _NONE.union(*(source(name) for source in own or [source for _, source in sources]))

    return {item.alias_or_name.lower(): _told(item, owner) for item in node.expressions}


def _source(
    node: exp.Expr, known: Mapping[str, Mapping[str, frozenset[Told]]]
) -> tuple[str, Callable[[str], frozenset[Told]]]:
    """The name of what stands in `from`, and what a column of it tells."""
    if isinstance(node, exp.Subquery):
        given = _gives(node, known)
        return node.alias.lower(), lambda column: given.get(column, _NONE)
    name = node.name.lower()
    if name.startswith("{"):
        entity = name[1:-1]
        return node.alias.lower() or entity, lambda column: frozenset({(f"{entity}.{column}", "")})
    return node.alias.lower() or name, lambda column: known.get(name, {}).get(column, _NONE)
