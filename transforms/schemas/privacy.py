"""Who was erased, when, and how that was proven: no personal data but what is sealed until the proof is done."""

from transforms.schemas.shape import Column, Table

OPS_ERASURE = Table(
    "ops/erasure",
    (
        Column("erasure", "string", "names the erasure, and nobody", "none", True),
        Column("status", "string", "asked, gone (no table holds the person) or proven", "none", True),
        Column("at", "timestamp", "UTC; when it came to this status", "none", True),
        Column("key", "string", "which erasure key signed: the beginning of a hash of it", "none"),
        Column("entries", "array<string>", "asked: keyed hashes of the person's own identifiers", "none"),
        Column("sealed", "string", "asked: what to search for, encrypted; NULL once it is proven", "personal"),
        Column("release", "bigint", "gone: the first release without the person", "none"),
        Column("found", "string", "JSON: gone and proven: table or place -> how often the person was there", "none"),
    ),
)
