"""The rows of an export at one release, what changed between two, and cells that no spreadsheet will run."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.audience_members import consents
from transforms.exports import CHANGE, KEY, MERGED_INTO, Export, Form
from transforms.privacy import Purpose
from transforms.roles import MASK

CHANGES = ("added", "changed", "removed", "merged")
_BLOCK = 64  # bytes of a SHA-256 block
# What starts a formula, in the wide forms of East Asian keyboards too, though blanks stand before it.
_STARTS = r"[\s\p{Z}\p{C}]*[=+\-@＝＋－＠]"
_FIRST = rf"^(?={_STARTS}|[\t\r\n])"
# A spreadsheet of another locale takes a semicolon, tab or line end for the end of a cell.
_LATER = rf"([;\t\r\n])(?={_STARTS})"
# Digits after a sign run nothing, and receivers need them: a number, a phone in E.164.
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?$"


def rows(
    profile: DataFrame,
    customers: DataFrame | None,
    members: DataFrame | None,
    *,
    export: Export,
    columns: Sequence[str],
    purpose: tuple[str, Purpose] | None,
    pads: DataFrame | None = None,
    hidden: Sequence[str] = (),
) -> DataFrame:
    """The export's rows at one release: customer_id, its identifiers, its columns. Grain: known customer.

    With an audience: its target arm alone (`members`: gold/audience_member), whose consent the audience saw to.
    Without: every known customer that may be used for the purpose. `customers` (gold/customer) is there where
    `asks_customers` says so. `pads`: the key that hmac signs with. `hidden`: columns that its role sees masked.
    """
    chosen = profile.select(KEY, *columns).transform(hiding, hidden)
    if members is not None:
        chosen = chosen.join(reached(members, export), KEY, "left_semi")
    if customers is not None:
        chosen = chosen.join(customers.select(KEY, "consents", *export.fields), KEY, "left")
    if customers is not None and purpose and members is None:
        chosen = chosen.where(consents(purpose[1], purpose[0]))
    forms = {name: export.identifiers[name] for name in export.fields} | {KEY: export.form_of_key}
    return chosen.transform(shown_as, forms=forms, pads=pads).select(KEY, *export.fields, *columns)


def reached(members: DataFrame, export: Export) -> DataFrame:
    """Whom the export's audience reaches: its target arm. Grain: customer_id. `members`: gold/audience_member."""
    return members.where((F.col("audience") == export.audience) & (F.col("arm") == "target")).select(KEY)


def hiding(df: DataFrame, columns: Sequence[str]) -> DataFrame:
    """`df` with nothing to be read in these columns, not even who has a value."""
    types = {name: df.schema[name].dataType for name in columns}
    return df.withColumns(
        {name: F.lit(MASK if isinstance(kind, T.StringType) else None).cast(kind) for name, kind in types.items()}
    )


def asks_customers(export: Export, purpose: tuple[str, Purpose] | None) -> bool:
    """Does the export need the golden record: for its identifiers, or for consents that no audience has looked at?"""
    return bool(export.fields) or (export.audience is None and purpose is not None and purpose[1].consent != "none")


def shown_as(df: DataFrame, *, forms: Mapping[str, Form], pads: DataFrame | None = None) -> DataFrame:
    """`df` with identifiers in the form that the receiver may see. NULL and blank identifiers are NULL.

    sha256: of the identifier normalised as Google Ads asks (Customer Match, enhanced conversions), in lower-case
    hexadecimal: e-mail trimmed, in lower case, and without the dots before gmail.com and googlemail.com; phone as
    E.164 with its plus; other fields trimmed and in lower case. sha256_meta: as Meta asks (custom audiences): e-mail
    trimmed and in lower case, a phone's digits alone.
    hmac: RFC 2104 with SHA-256 over the same normalised text. masked: its first letter; of a phone its last two digits.
    """
    signed = pads is not None and "hmac" in forms.values()
    # the key travels as data: a literal would stand readable in every plan that Spark logs
    with_key = df.crossJoin(F.broadcast(pads)) if signed and pads is not None else df
    return with_key.withColumns({name: _shown(name, form) for name, form in forms.items()})


def _shown(name: str, form: Form) -> SparkColumn:
    plain = F.when(F.trim(name) != "", F.col(name))
    match form:
        case "clear":
            return plain
        case "sha256":
            return F.sha2(_undotted(name) if name == "email" else normalised(name), 256)
        case "sha256_meta":
            text = normalised(name)
            return F.sha2(F.regexp_replace(text, "[^0-9]", "") if name == "phone" else text, 256)
        case "hmac":
            inner = F.sha2(F.concat("_inner_pad", F.encode(normalised(name), "UTF-8")), 256)
            return F.sha2(F.concat("_outer_pad", F.unhex(inner)), 256)
        case "masked":
            return _masked(name)


def normalised(name: str) -> SparkColumn:
    """An identifier as it is hashed: a customer id as it is, all else without blanks around it and in lower case."""
    if name in (KEY, MERGED_INTO):
        return F.col(name)
    text = F.lower(F.regexp_replace(name, r"^[\s\u00a0\u3000]+|[\s\u00a0\u3000]+$", ""))
    text = F.regexp_replace(text, r"[^+0-9]", "") if name == "phone" else text
    return F.when(text != "", text)


def _undotted(name: str) -> SparkColumn:
    """An e-mail address as Google takes it: to it a dot before gmail.com is no difference."""
    text = normalised(name)
    local = F.regexp_replace(F.substring_index(text, "@", 1), r"\.", "")
    at_google = text.rlike("^[^@]+@(gmail|googlemail)\\.com$")
    return F.when(at_google, F.concat(local, F.lit("@"), F.substring_index(text, "@", -1))).otherwise(text)


def _masked(name: str) -> SparkColumn:
    text = normalised(name)
    first = F.concat(F.substring(F.trim(name), 1, 1), F.lit("***"))
    match name:
        case "email":
            domain = F.substring_index(text, "@", -1)
            return F.when(
                text.isNotNull(), F.concat(F.lower(first), F.lit("@"), F.substring(domain, 1, 1), F.lit("***"))
            )
        case "phone":
            return F.concat(F.lit("***"), F.right(text, F.lit(2)))
        case _:
            return F.when(text.isNotNull(), first)


def pads_of(key: str) -> tuple[bytes, bytes]:
    """The two pads that HMAC-SHA-256 makes of a key (RFC 2104): what comes before the inner and the outer text."""
    secret = key.encode()
    block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def survivors(merges: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Customer id that ended -> the id that it is a part of in the end.

    `merges`: (the id that was kept, the ids that it came from), oldest first: of two merges of one id the later
    counts, and a merge of the survivor itself is followed.
    """
    into: dict[str, str] = {}
    for kept, ended in merges:
        into.pop(kept, None)  # an id that lives again, after a split
        into.update({customer: kept for customer in ended if customer != kept})

    def last(customer: str) -> str:
        while customer in into:
            customer = into[customer]
        return customer

    return {customer: last(customer) for customer in into}


def comparable(old: DataFrame, new: DataFrame) -> bool:
    """Do both hold the same columns of the same types? Only then can changes be told."""

    def shape(df: DataFrame) -> list[tuple[str, str]]:
        return [(field.name, field.dataType.simpleString()) for field in df.schema.fields]

    return shape(old) == shape(new)


def changes(old: DataFrame, new: DataFrame, merged: DataFrame | None) -> DataFrame:
    """What turns `old` into `new`. Grain: customer that was added, changed, removed or merged.

    Added and changed rows hold the new values, removed and merged ones their customer_id alone; `merged`
    (customer_id, merged_into) says what became of ids that ended: a row of `old` is merged where the id that it
    became part of is in `new`, else removed. Applied to `old` (delete removed and merged, put added and changed
    by customer_id) it gives `new`.
    """
    values = [name for name in new.columns if name != KEY]
    before = old.select(KEY, _values(values).alias("_old"))
    after = new.select(KEY, _values(values).alias("_new"))
    both = after.join(before, KEY, "full_outer").transform(partial(_with_survivor, new=new, merged=merged))
    change = (
        F.when(F.col("_old").isNull(), "added")
        .when(F.col("_new").isNotNull() & ~F.col("_old").eqNullSafe(F.col("_new")), "changed")
        .when(F.col("_new").isNull() & F.col(MERGED_INTO).isNotNull(), "merged")
        .when(F.col("_new").isNull(), "removed")
    )
    return (
        both.withColumn(CHANGE, change)
        .where(F.col(CHANGE).isNotNull())
        .withColumn(MERGED_INTO, F.when(F.col(CHANGE) == "merged", F.col(MERGED_INTO)))
        .select(KEY, CHANGE, MERGED_INTO, *(F.col(f"_new.{name}") for name in values))
    )


def _values(names: Sequence[str]) -> SparkColumn:
    # the literal keeps the struct from being NULL, and from being empty, where there is nothing in it
    return F.struct(F.lit(True).alias("_there"), *names)


def _with_survivor(both: DataFrame, *, new: DataFrame, merged: DataFrame | None) -> DataFrame:
    if merged is None:
        return both.withColumn(MERGED_INTO, F.lit(None).cast("string"))
    alive = merged.join(new.select(F.col(KEY).alias(MERGED_INTO)), MERGED_INTO, "left_semi")
    return both.join(F.broadcast(alive.select(KEY, MERGED_INTO)), KEY, "left")


def all_added(new: DataFrame) -> DataFrame:
    """A full delivery in the form of changes: every row is added."""
    values = [name for name in new.columns if name != KEY]
    nobody = F.lit(None).cast("string").alias(MERGED_INTO)
    return new.select(KEY, F.lit("added").alias(CHANGE), nobody, *values)


def text_cells(df: DataFrame) -> DataFrame:
    """`df` for CSV: lists and maps as JSON, and no text that a spreadsheet would run.

    A text that would start a formula gets an apostrophe before it (OWASP, CSV injection); one that is a number, or a
    phone in E.164, stays as it is.
    """

    def cell(field: T.StructField) -> SparkColumn:
        match field.dataType:
            case T.StringType():
                return harmless(F.col(field.name)).alias(field.name)
            case T.ArrayType() | T.MapType() | T.StructType():
                return harmless(F.to_json(field.name)).alias(field.name)
            case _:
                return F.col(field.name)

    return df.select(*(cell(field) for field in df.schema.fields))


def harmless(text: SparkColumn) -> SparkColumn:
    """A text in which no cell starts a formula; see `text_cells`."""
    defused = F.regexp_replace(F.regexp_replace(text, _LATER, "$1'"), _FIRST, "'")
    return F.when(text.rlike(_NUMBER), text).otherwise(defused)
