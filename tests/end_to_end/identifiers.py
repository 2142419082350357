"""Direct identifiers of the demo's people, and where a text holds one: by pandas and NumPy, which know no pipeline."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from tests.end_to_end.project import Project

_SHORTEST = 9  # a shorter one is in texts by chance: as a part of a hash, a sum, a time
_PREFIX = 8
_RAW = {
    "crm_contacts": ("email", "mobile", "street", "social_handle"),
    "loyalty_members": ("email", "phone"),
    "shop_accounts": ("email",),
}
_TOLD = ("email", "phone", "full_name", "street")


def identifiers(project: Project) -> set[str]:
    """Names, addresses, phones and handles as they landed and as silver has them, and every identifier of the ledger."""
    told = [project.table("silver/contact")[name] for name in _TOLD] + [project.table("identity/customer_id")["id_value"]]
    for source, columns in _RAW.items():
        landed = project.table(f"bronze/{source}")
        told += [landed[name] for name in columns if name in landed]
    values = pd.concat(told).astype(str).str.strip().str.lower().unique()
    return {value for value in values if len(value) >= _SHORTEST}


def held(texts: Iterable[str], secrets: set[str]) -> Iterator[str]:
    """Those of the secrets that the texts hold, in whichever case."""
    starts: dict[int, list[str]] = {}
    for secret in secrets:
        starts.setdefault(int(np.frombuffer(secret.encode()[:_PREFIX], np.uint64)[0]), []).append(secret)
    known = np.array(sorted(starts), dtype=np.uint64)
    for text in texts:
        lower = text.lower()
        raw = lower.encode(errors="replace") + b"\0" * _PREFIX
        found: set[int] = set()
        for offset in range(_PREFIX):
            windows = np.frombuffer(raw, np.uint64, (len(raw) - offset) // _PREFIX, offset)
            found.update(windows[np.isin(windows, known)].tolist())
        yield from (secret for start in found for secret in starts[start] if secret in lower)
