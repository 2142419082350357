"""Raw columns' names, and the names they land under: safe for Delta and every reader, told apart without their case.

A name is safe as it is where it begins with a letter or a digit and holds none of the characters that Delta refuses,
nor a dot, a quote or a control character. Otherwise those become `_`, and those at its start are left out. Where
another column has the name already (upper and lower case are the same), a piece of the raw name's hash follows it.
The raw name stands in the landed column's comment.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_UNSAFE = re.compile(r"[\s,;{}()=.`'\"\\/\x00-\x1f\x7f-\x9f]")
_TOLD = "raw name "
LONGEST_NAME = 200


def landed_names(raw: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Raw name -> the name it lands under. `known`: those that the table has already; they keep theirs.

    Depends on neither the order of the columns nor the columns of other nights but `known`.
    """
    landed = dict(known)
    names = list(raw)
    taken = {name.lower() for name in landed.values()}
    for name in sorted(set(names) - landed.keys()):
        safe = _safe(name)
        if safe.lower() in taken:
            safe = f"{safe}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        landed[name] = safe
        taken.add(safe.lower())
    return {name: landed[name] for name in names}


def _safe(name: str) -> str:
    safe = _UNSAFE.sub("_", name).lstrip("_")[:LONGEST_NAME]
    return safe or "column"


def comment(raw: str, landed: str) -> str:
    """What the landed column's comment says of its raw name: nothing where it is the same."""
    return "" if raw == landed else _TOLD + json.dumps(raw, ensure_ascii=False)


def raw_names(schema: Any) -> dict[str, str]:
    """Landed name -> raw name, as a frame's schema tells them; without bronze's own columns, which begin with `_`."""
    return {
        field.name: _raw(field.name, (field.metadata or {}).get("comment", ""))
        for field in schema.fields
        if not field.name.startswith("_")
    }


def _raw(landed: str, told: str) -> str:
    if not told.startswith(_TOLD):
        return landed
    raw: str = json.JSONDecoder().raw_decode(told, len(_TOLD))[0]
    return raw
