"""What roles see: their columns are there, and which of a table's columns are masked."""

from collections.abc import Iterable, Mapping

from transforms.definitions import nearest
from transforms.errors import DefinitionError
from transforms.privacy import Role
from transforms.schemas import FIXED_TABLES, Column, Table

PLACE = "conf/privacy.yml"
MASK = "***"  # stands in a masked column of texts; a masked column of any other type is NULL
_KEY = "customer_id"


def check_roles(roles: Mapping[str, Role], profile: Table) -> None:
    """Raise DefinitionError with a line for each column that a role names and gold does not have."""
    tables = (profile, *(table for name, table in FIXED_TABLES.items() if name.startswith("gold/")))
    known = {column for table in tables for column in table.names}
    problems = [
        f"{PLACE}: roles.{role}.columns: {line}"
        for role, told in roles.items()
        for name in told.columns
        if (line := _mistake(name, known))
    ]
    if problems:
        raise DefinitionError(*problems)


def _mistake(name: str, known: Iterable[str]) -> str | None:
    if name == _KEY:
        return f"'{_KEY}' tells rows apart and nothing of a person; it is in every view"
    return None if name in known else f"no column '{name}' in gold{nearest(name, known)}"


def role_of(roles: Mapping[str, Role], name: str) -> Role:
    """The role of that name. Raises DefinitionError, with the nearest, where there is none."""
    if name not in roles:
        raise DefinitionError(f"--role {name}: no such role in {PLACE}{nearest(name, roles)}")
    return roles[name]


def masked(role: Role, columns: Iterable[Column]) -> list[str]:
    """Those of the columns that the role sees masked."""
    return [column.name for column in columns if role.shows(column.name, column.sensitivity) == "mask"]
