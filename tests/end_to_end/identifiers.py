"""Direct identifiers of the demo's people, and which of them texts hold: by pandas and words alone."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

import pandas as pd

from tests.end_to_end.project import Project

_SHORTEST = 9  # a shorter one is a part of hashes, sums and times by chance
_LANDED = {"crm_contacts": ("email", "mobile"), "loyalty_members": ("email", "phone"), "shop_accounts": ("email",)}
_BETWEEN = re.compile(r"[\s,;:|\"'<>{}\[\]()=&/\\]+")


def identifiers(project: Project) -> set[str]:
    """Names, addresses, phones and accounts as they landed, as silver has them, and as the ledger knows them."""
    contacts = project.table("silver/contact")
    names = contacts["full_name"][contacts["full_name"].map(lambda name: " " in name.strip() or not name.isascii())]
    streets = contacts["street"][contacts["street"].str.contains(r"\d")]
    ledger = project.table("identity/customer_id")["id_value"]
    landed = (project.table(f"bronze/{source}")[name] for source, cells in _LANDED.items() for name in cells)
    cells = pd.concat([*landed, ledger, contacts["email"], contacts["phone"]]).drop_duplicates()
    accounts = cells[cells.str.contains("@") | (cells.str.count(r"\d") >= 7)]
    told = pd.concat([accounts, streets, names[names.map(len) >= _SHORTEST], names[~names.map(str.isascii)]])
    found = told.str.strip().str.lower().unique()
    return {value for value in found if len(set(value)) > 2 and (len(value) >= _SHORTEST or not value.isascii())}


def held(texts: Iterable[str], secrets: set[str]) -> set[str]:
    """Those of the secrets that the texts hold, in whichever case. One of several words: by its words, then whole."""
    found = set[str]()
    words = {secret: [word for word in _BETWEEN.split(secret) if word] for secret in secrets}
    for text in texts:
        lower = text.lower()
        lower = f"{lower} {unquote(lower)}" if "%40" in lower else lower
        there = set(_BETWEEN.split(lower))
        found |= {one for one, parts in words.items() if (parts[0] in there or not one.isascii()) and one in lower}
    return found
