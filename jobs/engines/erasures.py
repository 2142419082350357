"""The erasure list as `ops/erasure` keeps it: what was asked, what is gone, what is proven; never rolled back."""

import base64
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jobs.runtime.clock import now_after
from jobs.runtime.configuration import Configuration
from jobs.runtime.tables import Lakehouse
from transforms.erasure import CUSTOMER, Erased, key_name
from transforms.errors import DefinitionError
from transforms.identity.written import forms
from transforms.schemas import OPS_ERASURE

ASKED, GONE, PROVEN = "asked", "gone", "proven"


@dataclass(frozen=True)
class Erasure:
    """A person forgotten. `release`: the first one without the person; `gone`, `proven`: when; None: not yet."""

    erasure: str
    asked: datetime
    key: str
    entries: frozenset[str]
    sealed: str | None
    gone: datetime | None = None
    release: int | None = None
    proven: datetime | None = None

    @property
    def told(self) -> str:
        """Where it stands, for people."""
        if self.proven:
            return f"erased on {self.asked:%Y-%m-%d}, proven on {self.proven:%Y-%m-%d} (erasure {self.erasure})"
        return f"erased on {self.asked:%Y-%m-%d}, not proven yet (erasure {self.erasure}; portrait maintain)"

    def concerns(self, release: int | None) -> bool:
        """May tables as of that release still hold the person?"""
        return self.release is None or release is None or release < self.release


def erasures(lakehouse: Lakehouse) -> list[Erasure]:
    """Every erasure, in the order in which they were asked for."""
    found: dict[str, Erasure] = {}
    for row in sorted(lakehouse.rows(OPS_ERASURE), key=lambda row: (row["at"], row["erasure"])):
        name = row["erasure"]
        if row["status"] == ASKED:
            found[name] = Erasure(name, row["at"], row["key"], frozenset(row["entries"]), row["sealed"])
        elif row["status"] == GONE:
            found[name] = replace(found[name], gone=row["at"], release=row["release"])
        else:
            found[name] = replace(found[name], proven=row["at"])
    return list(found.values())


def erased(lakehouse: Lakehouse, keys: Sequence[str]) -> Erased | None:
    """What landing compares with; None where nobody was erased.

    Raises DefinitionError where a key that signed is no longer among `keys` (conf/privacy.yml: keys.erasure).
    """
    every = erasures(lakehouse)
    check_keys(every, keys)
    entries = frozenset(entry for erasure in every for entry in erasure.entries)
    return Erased(tuple(keys), entries) if entries else None


def check_keys(every: Iterable[Erasure], keys: Sequence[str]) -> None:
    """Raise DefinitionError where an erasure was signed with a key that is not there any more."""
    known = {key_name(key) for key in keys}
    lost = [erasure.erasure for erasure in every if erasure.key not in known]
    if lost:
        raise DefinitionError(
            f"conf/privacy.yml: keys.erasure: the key that signed {len(lost)} erasures (the first: {lost[0]}) is not "
            "in the list; put it back behind the new one, or who was erased would come back"
        )


def check_erased(lakehouse: Lakehouse, conf: Configuration, identifier: str) -> None:
    """Raise DefinitionError where the identifier is that of somebody who was erased, saying when."""
    every = erasures(lakehouse)
    if not every:
        return
    check_keys(every, conf.privacy.keys.erasure)
    kind, colon, value = identifier.strip().partition(":")
    countries = [source.country for source in conf.sources.values()]
    asked = [(kind, form) for form in forms(kind, value, countries)] if colon else [(CUSTOMER, identifier.strip())]
    for erasure in every:
        known = Erased(tuple(conf.privacy.keys.erasure), erasure.entries)
        if any(known.holds(*one) for one in asked):
            what = kind if colon else "this customer"
            raise DefinitionError(f"{what}: a person who was {erasure.told}; nothing is held but keyed hashes")


def late(lakehouse: Lakehouse, days: int, now: datetime) -> list[Erasure]:
    """Erasures that are not proven although conf/privacy.yml: erasure.proven_within, so many days, is over."""
    return [one for one in erasures(lakehouse) if one.proven is None and now > one.asked + timedelta(days=days)]


def ask(lakehouse: Lakehouse, entries: Sequence[str], secret: Mapping[str, Any], keys: Sequence[str]) -> Erasure:
    """Put a person on the list: from now on nothing of theirs enters silver. `secret`: what to search for, sealed."""
    now, sealed = _now(lakehouse), _sealer(keys).encrypt(_json(secret)).decode()
    erasure = Erasure(f"{now:%Y%m%d}-{secrets.token_hex(4)}", now, key_name(keys[0]), frozenset(entries), sealed)
    row = {
        "erasure": erasure.erasure, "status": ASKED, "at": now, "key": erasure.key, "entries": list(entries),
        "sealed": sealed,
    }  # fmt: skip
    lakehouse.append(OPS_ERASURE, [row])
    return erasure


def note_gone(lakehouse: Lakehouse, erasure: Erasure, release: int, found: Mapping[str, int]) -> None:
    """No table holds the person from that release on. `found`: table -> rows that were taken out."""
    lakehouse.append(OPS_ERASURE, [_told(lakehouse, erasure, GONE, found) | {"release": release}])


def note_proven(lakehouse: Lakehouse, proven: Mapping[str, Mapping[str, Any]]) -> None:
    """These erasures are proven (name -> certificate): what was sealed for them is dropped, in the same commit."""
    rows = lakehouse.rows(OPS_ERASURE)
    kept = [row | ({"sealed": None} if row["erasure"] in proven else {}) for row in rows]
    now = _now(lakehouse)
    told = [
        {"erasure": name, "status": PROVEN, "at": now, "found": json.dumps(certificate, sort_keys=True)}
        for name, certificate in proven.items()
    ]
    lakehouse.append(OPS_ERASURE, [*kept, *told], anew=True)


def opened(erasure: Erasure, keys: Sequence[str]) -> dict[str, Any]:
    """What was sealed for an erasure. Raises DefinitionError where none of the keys opens it."""
    check_keys([erasure], keys)
    try:
        secret: dict[str, Any] = json.loads(_sealer(keys).decrypt((erasure.sealed or "").encode()))
    except InvalidToken:
        raise DefinitionError(
            f"ops/erasure: {erasure.erasure}: what was sealed cannot be opened with conf/privacy.yml: keys.erasure"
        ) from None
    return secret


def _now(lakehouse: Lakehouse) -> datetime:
    return now_after(row["at"] for row in lakehouse.rows(OPS_ERASURE))


def _told(lakehouse: Lakehouse, erasure: Erasure, status: str, found: Mapping[str, int]) -> dict[str, Any]:
    told = {name: count for name, count in sorted(found.items()) if count}
    return {"erasure": erasure.erasure, "status": status, "at": _now(lakehouse), "found": json.dumps(told)}


def _sealer(keys: Sequence[str]) -> MultiFernet:
    """Seals with the first key, opens with each. Derived (RFC 5869), so that what signs does not also encrypt."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"portrait erasure seal").derive(key.encode())


def _json(secret: Mapping[str, Any]) -> bytes:
    return json.dumps(secret, sort_keys=True).encode()
