"""Who has been erased: a list of keyed hashes, which tells of nobody, and whether a row is of one of them."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transforms.identity.manual import RECORD
from transforms.sources.standard.emails import mailbox
from transforms.sources.standard.phones import e164

if TYPE_CHECKING:  # to look somebody up takes no Spark
    from pyspark.sql import DataFrame

CUSTOMER = "customer_id"
# The columns of silver, gold/override and gold/tag_change that hold what people write, where they may name somebody.
WRITTEN = frozenset(
    {
        "attributes",
        "comment",
        "detail",
        "new",
        "old",
        "path",
        "query",
        "raw",
        "reason",
        "referrer",
        "text",
        "topics",
        "url",
    }
)
_BETWEEN = re.compile(r"[\s,;|\"'<>{}\[\]()=&]+")


def signed(kind: str, value: str, key: str) -> str:
    """HMAC-SHA256 (RFC 2104) of an identifier as landing normalises it, in hexadecimal."""
    return hmac.digest(key.encode(), json.dumps([kind, value]).encode(), hashlib.sha256).hex()


def key_name(key: str) -> str:
    """What tells a key from others and does not tell the key."""
    return signed("key", "", key)[:12]


def listed(kind: str, value: str, key: str) -> str:
    """An entry of the list: `<kind> <hash>`. Of a record its source stands in the kind: `record:<source>`."""
    named = f"{RECORD}:{value.partition(':')[0]}" if kind == RECORD else kind
    return f"{named} {signed(kind, value, key)}"


@dataclass(frozen=True)
class Erased:
    """The list. `keys`: the first signed the newest entries, the others earlier ones. `entries`: as `listed` gives."""

    keys: tuple[str, ...]
    entries: frozenset[str]

    @property
    def kinds(self) -> frozenset[str]:
        """The types of identifiers that stand in the list."""
        return frozenset(entry.partition(" ")[0] for entry in self.entries)

    @property
    def sources(self) -> list[str]:
        """The sources of which the list has records by their own key."""
        return sorted(kind.partition(":")[2] for kind in self.kinds if kind.startswith(f"{RECORD}:"))

    def holds(self, kind: str, value: str) -> bool:
        """Is that identifier, normalised, on the list?"""
        return any(listed(kind, value, key) in self.entries for key in self.keys)

    def names(self, ids: str | None, record: str | None, text: str | None) -> bool:
        """Is a row of a person on the list: by its identifiers (JSON), its record, or, without any, its text?"""
        given = ((kind, value) for kind, values in json.loads(ids or "{}").items() for value in values)
        return (
            any(self.holds(kind, value) for kind, value in given)
            or (record is not None and self.holds(RECORD, record))
            or (text is not None and any(self.holds(kind, value) for kind, value in said(text, self.kinds)))
        )


def said(text: str, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Whatever in a text may be an identifier, in the form of each type."""
    for word in dict.fromkeys(filter(None, [*_BETWEEN.split(text), *_cells(text)])):
        for kind in kinds:
            value = mailbox(word) if kind == "email" else e164(word, None) if kind == "phone" else word
            if value:
                yield kind, value


def _cells(text: str) -> list[str]:
    """The values of a row that is told as JSON."""
    try:
        row = json.loads(text)
    except ValueError:
        return []
    return [value for value in row.values() if isinstance(value, str)] if isinstance(row, dict) else []


def with_erased(rows: "DataFrame", erased: Erased | None, *, few: bool) -> "DataFrame":
    """Adds `_erased`: the row is of a person on the list. Such a row is neither wanted nor refused.

    After keys, identifiers and reasons are there. Grain: a row that landed. `few`: see `Context`.
    """
    from pyspark.sql import functions as F

    from transforms.sources.standard.answers import with_answers

    if erased is None:
        return rows.withColumn("_erased", F.lit(False))
    record = F.when(F.col("source").isin(*erased.sources), F.col("record_id"))
    # a row that gives no identifier may tell whose it is in other columns; only of such ones the reasons are worked out
    refused = F.col("_ids").isNull() & (F.size("reasons") > 0)
    text = F.when(refused, F.coalesce("_corrupt", "_raw"))
    asked = [F.col("_ids"), record, text]
    gone = F.coalesce("_erased", F.lit(False))
    nothing = F.array().cast("array<string>")
    return rows.transform(with_answers, "_erased", erased.names, "boolean", *asked, repeated=not few).withColumns(
        {
            "_erased": gone,
            "_wanted": F.col("_wanted") & ~gone,
            "reasons": F.when(gone, nothing).otherwise(F.col("reasons")),
            "_corrupt": F.when(~gone, F.col("_corrupt")),
        }
    )


def entries_of(
    identifiers: Iterable[tuple[str, str]], records: Iterable[str], customers: Iterable[str], key: str
) -> Sequence[str]:
    """What the list says of a person, sorted. `records`: those that none of the identifiers names."""
    named = [*identifiers, *((RECORD, record) for record in records), *((CUSTOMER, value) for value in customers)]
    return sorted({listed(kind, value, key) for kind, value in named})
