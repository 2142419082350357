import hashlib
import hmac
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engines.delivery import verify
from jobs.lookups.tags_diff import exports_that_change
from transforms.audiences import Audience
from transforms.destinations import Destination
from transforms.errors import DefinitionError
from transforms.export_rows import (
    all_added,
    asks_customers,
    changes,
    comparable,
    pads_of,
    rows,
    shown_as,
    survivors,
    text_cells,
)
from transforms.exports import Export, check_exports, columns_of, delivered_columns, masked_columns, parse_export
from transforms.privacy import Keys, Privacy, Purpose, Role
from transforms.profile import profile_table
from transforms.schemas import Column

KEY_TEXT = "a-key-of-this-destination-0123456789"
PRIVACY = Privacy(
    purposes={"marketing": Purpose(consent="opt_in"), "service": Purpose(consent="none")},
    keys=Keys(customer=["k" * 32], erasure=["e" * 32]),
    roles={"analyst": Role(deny=["personal", "sensitive"]), "marketer": Role(deny=["sensitive"]), "all": Role(),
           "support": Role(deny=["sensitive"], mask=["personal"], columns={"wealth": "allow", "spend": "deny"})},
)  # fmt: skip


@dataclass(frozen=True)
class Given:
    """What exports ask of a tag."""

    tag: str
    outputs: tuple[Column, ...]
    purposes: list[str] = field(default_factory=lambda: ["marketing", "service"])
    status: str = "online"
    kind: str = "statistic"

    @property
    def place(self) -> str:
        return f"tag_definitions/value/{self.tag}.yml"


TAGS: dict[str, Any] = {
    tag.tag: tag
    for tag in (
        Given("age", (Column("age", "int", "years", "personal"),)),
        Given("likes", (Column("likes", "array<string>", "categories"),)),
        Given("spend", (Column("spend", "decimal(18,4)", "EUR"),)),
        Given("tickets", (Column("tickets", "int", "open tickets"),), purposes=["service"]),
        Given("wealth", (Column("wealth", "string", "band", "sensitive"),)),
    )
}
PROFILE = profile_table(TAGS)
AUDIENCES = {
    "vip": Audience(audience="vip", where="true", purpose="marketing"),
    "rich": Audience(audience="rich", where="Wealth = 'high'", purpose="service"),
    "others": Audience(audience="others", where="spend > 1", purpose="service", **{"except": ["rich"]}),
}
TO = {"format": "csv", "path": "out/{date}/"}


def export(name: str = "x", **keys: Any) -> Export:
    to = {**TO, "path": f"{name}/{{date}}", **keys.pop("to", {})}
    keys = keys if {"audience", "purpose"} & keys.keys() else {**keys, "purpose": "service"}
    return Export(place=f"conf/exports/{name}.yml", export=name, to=Destination(**to), **keys)


def problems(*exports: Export) -> list[str]:
    try:
        check_exports({one.export: one for one in exports}, AUDIENCES, TAGS, PROFILE, PRIVACY)
    except DefinitionError as error:
        return list(error.lines)
    return []


# -- definitions


def test_a_file_as_people_write_it():
    text = """
export: email_platform
audience: vip
columns: [likes, spend]
identifiers: {email: sha256}
to: {format: csv, path: exports/email_platform/{date}/, files: 1, compression: gzip}
mode: changes
contract: {version: 1.2.0, status: active, team: email, support: crm@example.org}
role: marketer
"""
    one = parse_export(text, place="e.yml")
    assert one.to.path == "exports/email_platform/{date}/"
    assert (one.mode, one.to.codec, one.fields, one.contract and one.contract.version) == (
        "changes",
        "gzip",
        ["email"],
        "1.2.0",
    )
    assert problems(one.model_copy(update={"place": "e.yml"})) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("columns: some", "e.yml: columns: "),
        ("modus: full", "unknown key 'modus'; did you mean 'mode'?"),
        ("identifiers: {email: md5}", "identifiers.email: must be 'clear', 'sha256'"),
        ("contract: {version: one}", "contract.version: "),
        ("key: short", "key: a key is a text of at least 32 characters"),
    ],
)
def test_a_wrong_file_is_told_by_key(keys: str, message: str):
    with pytest.raises(DefinitionError) as error:
        parse_export(f"export: e\nto: {{format: csv, path: 'out/'}}\n{keys}\n", place="e.yml")
    assert message in str(error.value)


def test_the_destinations_compression_fits_its_format():
    with pytest.raises(DefinitionError, match=r"e\.yml: to: compression: parquet is written with .*, not 'bzip2'"):
        parse_export("export: e\nto: {format: parquet, path: out, compression: bzip2}\n", place="e.yml")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("{format: parquet}", "to: path: this key is required for parquet"),
        ("{format: csv, path: x, url: 'jdbc:postgresql://h/d'}", "to: url: csv has none; remove it"),
        ("{format: jdbc, url: 'jdbc:postgresql://h/d'}", "to: table: this key is required for jdbc"),
        ("{format: jdbc, url: 'jdbc:mysql://h/d', table: t}", "to: url: deliveries go into PostgreSQL"),
        ("{format: jdbc, url: 'jdbc:postgresql://a:x7x@h/d', table: t}", "to.url: holds a password"),
        ("{format: jdbc, url: 'jdbc:postgresql://h/d', table: t, password: x7x}", "to.password: a password does not"),
        ("{format: jdbc, url: 'jdbc:postgresql://h/d', table: drop table x}", "to.table: must be the name of a table"),
        (f"{{format: jdbc, url: 'jdbc:postgresql://h/d', table: {'t' * 51}}}", "to: table: a name of at most 50 bytes"),
        (
            "{format: jdbc, url: 'jdbc:postgresql://h/d', table: t, compression: gzip}",
            "to: compression: jdbc is written",
        ),
    ],
)
def test_a_destination_has_the_keys_of_its_format(to: str, message: str):
    with pytest.raises(DefinitionError) as error:
        parse_export(f"export: e\nto: {to}\n", place="e.yml")
    assert str(error.value).startswith(f"e.yml: {message}") and "x7x" not in str(error.value)


@pytest.mark.parametrize("path", ["gs://bucket/x", "hdfs://name/x", "s3a:///x", "abfss://box@account/x"])
def test_a_store_that_is_not_reached_is_refused_at_once(path: str):
    told = rf"{path}(/{{date}})?: is not reached; name a folder of this machine or s3a://BUCKET/FOLDER"
    with pytest.raises(DefinitionError, match=f"^e.yml: to.path: {told}$"):
        parse_export(f"export: e\nto: {{format: csv, path: {path}/{{date}}}}\n", place="e.yml")
    with pytest.raises(DefinitionError, match=f"^{told}$"):
        verify(path)


@pytest.mark.parametrize(
    "manifest", ["[]", '{"files": {"a": {"size": 1}}}', '{"format": "csv", "schema": [], "rows": 0, "files": ["a"]}']
)
def test_a_manifest_of_something_else_is_none(manifest: str, tmp_path: Path):
    """Such as a backup's, or a web page's."""
    (tmp_path / "manifest.json").write_text(manifest)
    assert verify(str(tmp_path)) == [f"{tmp_path}: no manifest.json that can be read: the delivery is not complete"]


def test_two_exports_never_share_a_place():
    database = {"format": "jdbc", "url": "jdbc:postgresql://h/d?ssl=true", "table": "crm.t"}
    both = [Export(place=f"{name}.yml", export=name, purpose="service", to=Destination(**database)) for name in "ab"]
    assert problems(*both) == ["b.yml: to.table: the export 'a' delivers there too; give each a place of its own"]
    ids = {"customer_id": "masked"}
    masked = Export(place="m.yml", export="m", purpose="service", identifiers=ids, to=Destination(**database))
    assert problems(masked)[0].startswith("m.yml: identifiers.customer_id: masked ids cannot say which row is whose")
    kept = export(mode="changes", to={"format": "delta", "path": "kept"})
    assert problems(kept) == [] and kept.to.kept and not kept.tells_changes
    assert Destination(**{**database, "table": 'crm."Kunden"'}).beside("delivery") == 'crm."Kunden_delivery"'


def test_a_key_is_never_shown():
    secret = "0123456789abcdef0123456789abcdef-secret"
    one = parse_export(
        f"export: e\nto: {{format: csv, path: out}}\nkey: {secret}\nidentifiers: {{email: hmac}}\n", place="e.yml"
    )
    assert secret not in repr(one) + str(one) + one.definition_hash([]) + one.model_dump_json()
    for wrong in (
        "{a: 0123456789abcdef-secret}",
        "[0123456789abcdef-secret]",
        "'0123456789abcdef-secret'",
        "12345678901234567890123456789012345",
    ):
        with pytest.raises(DefinitionError) as error:
            parse_export(f"export: e\nto: {{format: csv, path: out}}\nkey: {wrong}\n", place="e.yml")
        assert "0123456789" not in str(error.value)


def test_every_mistake_is_one_line_with_file_key_and_remedy():
    wrong = export(
        "wrong", audience="vpi", columns=["spnd", "likes", "likes"], identifiers={"e_mail": "clear"}, role="marketeer"
    )
    lines = problems(wrong)
    assert "conf/exports/wrong.yml: audience: no audience is called 'vpi'; did you mean 'vip'?" in lines
    assert "conf/exports/wrong.yml: columns: no column 'spnd' in the profile; did you mean 'spend'?" in lines
    assert "conf/exports/wrong.yml: identifiers: no identifier 'e_mail'; did you mean 'email'?" in lines
    assert (
        "conf/exports/wrong.yml: role: no role in conf/privacy.yml is called 'marketeer'; did you mean 'marketer'?"
        in lines
    )
    assert any("columns: 'likes' would stand in a row twice" in line for line in lines)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": ["wealth"], "role": "marketer"}, "columns: the role 'marketer' may not hold 'wealth' (sensitive)"),
        ({"columns": ["age"], "role": "analyst"}, "columns: the role 'analyst' may not hold 'age' (personal)"),
        ({"columns": ["age"]}, "columns: an export without a role may not hold 'age' (personal)"),
        (
            {"identifiers": {"email": "clear"}, "role": "analyst"},
            "identifiers.email: the role 'analyst' may not hold it as clear",
        ),
        ({"columns": ["spend"], "role": "support"}, "columns: the role 'support' may not hold 'spend' (normal)"),
        ({"identifiers": {"email": "sha256"}, "role": "support"}, "identifiers.email: the role 'support' may not hold"),
        ({"identifiers": {"email": "sha256"}}, "identifiers.email: an export without a role may not hold it as sha256"),
        (
            {"columns": ["tickets"], "audience": "vip"},
            "columns: the tag 'tickets' is not meant for marketing (its purposes: service)",
        ),
        ({"purpose": "service", "audience": "vip"}, "purpose: 'service', but its audience 'vip' is for marketing"),
        (
            {"purpose": None},
            "purpose: say what it is used for (conf/privacy.yml knows: marketing, service), or name an audience",
        ),
        (
            {"audience": "rich"},
            "audience: it is cut by 'wealth' (sensitive), so that an export without a role would know it of each",
        ),
        (
            {"audience": "others", "role": "marketer"},
            "audience: 'rich', which it is built on, is cut by 'wealth' (sensitive), so that the role 'marketer' would",
        ),
        ({"purpose": "servce"}, "purpose: no purpose in conf/privacy.yml is called 'servce'; did you mean 'service'?"),
        (
            {"identifiers": {"email": "hmac"}},
            "identifiers.email: hmac needs a key of this destination; add key: ${X_KEY}",
        ),
        (
            {"identifiers": {"city": "sha256_meta"}, "role": "all"},
            "identifiers.city: sha256_meta is of email and phone alone; use sha256",
        ),
        ({"mode": "changes", "to": {"path": "x"}}, "to.path: each delivery of changes needs a folder of its own"),
        (
            {"mode": "changes", "identifiers": {"customer_id": "masked"}},
            "identifiers.customer_id: masked ids cannot say",
        ),
        ({"mode": "changes", "columns": ["as_of"]}, "columns: 'as_of' cannot be in an export of changes"),
        ({"columns": ["customer_id"]}, "columns: 'customer_id' would stand in a row twice"),
    ],
)
def test_what_an_export_may_not_hold(keys: dict[str, Any], message: str):
    (line,) = problems(export(**keys))
    assert line.startswith(f"conf/exports/x.yml: {message}")


def test_who_may_hold_a_column_may_hold_an_audience_that_is_cut_by_it():
    assert problems(export(audience="rich", role="all")) == problems(export(audience="rich", role="support")) == []


def test_two_exports_share_no_folder():
    (line,) = problems(export("a", to={"path": "same/{date}/"}), export("b", to={"path": "same/{date}"}))
    assert line.startswith("conf/exports/b.yml: to.path: the export 'a' delivers there too")


def test_all_columns_are_those_that_role_and_purpose_allow():
    def columns(**keys: Any) -> list[str]:
        return columns_of(parse_all(**keys), AUDIENCES, TAGS, PROFILE, PRIVACY)

    def parse_all(**keys: Any) -> Export:
        return export(**{**keys, "columns": "all"})

    assert columns(role="all") == ["age", "likes", "spend", "tickets", "wealth"]
    assert columns() == ["likes", "spend", "tickets"]
    assert columns(role="marketer", audience="vip") == ["age", "likes", "spend"]
    assert columns(role="support") == ["age", "likes", "tickets", "wealth"]
    assert masked_columns(parse_all(role="support"), columns(role="support"), PROFILE, PRIVACY) == ["age"]
    held = delivered_columns(parse_all(mode="changes", identifiers={"email": "masked"}), ["spend"], PROFILE)
    assert [column.name for column in held] == ["customer_id", "change", "merged_into", "email", "spend"]


def test_an_export_whose_role_comes_to_see_a_column_masked_is_told():
    conf = SimpleNamespace(
        exports={"x": export(columns="all", role="support")}, audiences=AUDIENCES, privacy=PRIVACY, tags=TAGS
    )
    open_then = {**TAGS, "age": Given("age", (Column("age", "int", "years"),))}
    (told,) = exports_that_change(conf, open_then, set(), [])  # type: ignore[arg-type]
    assert told["columns_changed"] == ["age"]
    assert exports_that_change(conf, TAGS, set(), []) == []  # type: ignore[arg-type]


def test_a_definition_changes_with_what_its_rows_depend_on():
    one = export(identifiers={"email": "hmac"}, key=KEY_TEXT)
    same = one.definition_hash(["spend"])
    assert export(identifiers={"email": "hmac"}, key=KEY_TEXT, owner="me").definition_hash(["spend"]) == same
    assert one.definition_hash(["likes"]) != same
    assert export(identifiers={"email": "hmac"}, key=KEY_TEXT + "!").definition_hash(["spend"]) != same


# -- rows


def test_identifiers_in_every_form(spark: SparkSession):
    people = [
        (1, "c1", " Jane.Doe@Example.COM\n", "+16505551212", "陈 "),
        (2, "c2", None, "+49 (151) 123-45", ""),
        (3, "c3", "", None, None),
        (4, "c4", "ünal@münchen.de", "+8613800138000", "Ünal"),
        (5, "c5", "J.a.ne+x@Gmail.com", None, None),
    ]
    df = spark.createDataFrame(people, "row int, customer_id string, email string, phone string, family_name string")
    inner, outer = pads_of(KEY_TEXT)
    pads = spark.createDataFrame([(inner, outer)], "_inner_pad binary, _outer_pad binary")

    def shown(**forms: Any) -> dict[str, list[Any]]:
        table = df.transform(shown_as, forms=forms, pads=pads).toArrow().sort_by("row")
        return {name: table[name].to_pylist() for name in forms}

    def sha(*texts: str | None) -> list[str | None]:
        return [text and hashlib.sha256(text.encode()).hexdigest() for text in texts]

    def signed(*texts: str | None) -> list[str | None]:
        return [text and hmac.new(KEY_TEXT.encode(), text.encode(), "sha256").hexdigest() for text in texts]

    emails = ("jane.doe@example.com", None, None, "ünal@münchen.de", "j.a.ne+x@gmail.com")
    phones = ("+16505551212", "+4915112345", None, "+8613800138000", None)
    to_google = (*emails[:-1], "jane+x@gmail.com")
    assert shown(email="sha256", phone="sha256", family_name="sha256") == {
        "email": sha(*to_google), "phone": sha(*phones), "family_name": sha("陈", None, None, "ünal", None),
    }  # fmt: skip
    assert shown(email="sha256_meta", phone="sha256_meta") == {
        "email": sha(*emails), "phone": sha("16505551212", "4915112345", None, "8613800138000", None),
    }  # fmt: skip
    assert shown(email="hmac", phone="hmac", customer_id="hmac") == {
        "email": signed(*emails), "phone": signed(*phones), "customer_id": signed("c1", "c2", "c3", "c4", "c5"),
    }  # fmt: skip
    assert shown(email="masked", phone="masked", family_name="masked") == {
        "email": ["j***@e***", None, None, "ü***@m***", "j***@g***"],
        "phone": ["***12", "***45", None, "***00", None],
        "family_name": ["陈***", None, None, "Ü***", None],
    }
    assert shown(email="clear", family_name="clear")["family_name"] == ["陈 ", None, None, "Ünal", None]
    assert KEY_TEXT not in df.transform(shown_as, forms={"email": "hmac"}, pads=pads)._jdf.queryExecution().toString()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_pads_are_those_of_rfc_2104_for_keys_of_any_length(length: int):
    key = ("schlüssel" * 30)[:length]
    inner, outer = pads_of(key)
    digest = hashlib.sha256(outer + hashlib.sha256(inner + b"text").digest()).hexdigest()
    assert digest == hmac.new(key.encode(), b"text", "sha256").hexdigest()


def test_only_the_target_arm_goes_out_and_without_an_audience_those_who_agreed(spark: SparkSession):
    profile = spark.createDataFrame([("a", 1, 9), ("b", 2, 9), ("c", 3, 9)], "customer_id string, spend int, age int")
    customers = spark.createDataFrame(
        [("a", "a@x.org", {"marketing": True}), ("b", "b@x.org", {"marketing": False}), ("c", None, None)],
        "customer_id string, email string, consents map<string,boolean>",
    )
    members = spark.createDataFrame(
        [("vip", "a", "holdout"), ("vip", "b", "target"), ("other", "c", "target")],
        "audience string, customer_id string, arm string",
    )

    def got(one: Export, members: Any = None, purpose: Any = None) -> list[tuple[Any, ...]]:
        made = rows(
            profile,
            customers if asks_customers(one, purpose) else None,
            members,
            export=one,
            columns=["spend"],
            purpose=purpose,
        )
        assert made.columns == ["customer_id", *one.fields, "spend"]
        return sorted(tuple(row) for row in made.collect())

    marketing = ("marketing", PRIVACY.purposes["marketing"])
    with_mail = export(audience="vip", identifiers={"email": "clear"})
    assert got(with_mail, members, marketing) == [("b", "b@x.org", 2)]
    assert got(export(), None, marketing) == [("a", 1)]
    assert got(export(), None, ("service", PRIVACY.purposes["service"])) == [("a", 1), ("b", 2), ("c", 3)]
    assert got(export()) == [("a", 1), ("b", 2), ("c", 3)]


# -- changes


def test_survivors_follow_merges_of_merges():
    assert survivors([("a", ["a", "b"]), ("c", ["a"]), ("e", ["d"])]) == {"a": "c", "b": "c", "d": "e"}
    assert survivors([("a", ["b"]), ("b", ["a"])]) == {"a": "b"}  # it came back, and took the other in
    assert survivors([]) == {}


def test_each_kind_of_change(spark: SparkSession):
    columns = "customer_id string, spend int, likes array<string>"
    old = spark.createDataFrame(
        [("same", 1, ["x", None]), ("more", 1, None), ("null", None, ["x"]), ("order", 1, ["x", "y"]),
         ("gone", 5, []), ("into", 6, []), ("astray", 7, [])], columns,
    )  # fmt: skip
    new = spark.createDataFrame(
        [("same", 1, ["x", None]), ("more", 2, None), ("null", 1, ["x"]), ("order", 1, ["y", "x"]), ("new", 3, None)],
        columns,
    )
    merged = spark.createDataFrame([("into", "more"), ("astray", "not here")], "customer_id string, merged_into string")
    got = {row["customer_id"]: tuple(row)[1:] for row in changes(old, new, merged).collect()}
    assert got == {
        "more": ("changed", None, 2, None),
        "null": ("changed", None, 1, ["x"]),
        "order": ("changed", None, 1, ["y", "x"]),
        "new": ("added", None, 3, None),
        "gone": ("removed", None, None, None),
        "into": ("merged", "more", None, None),
        "astray": ("removed", None, None, None),
    }
    assert comparable(old, new) and not comparable(old, new.withColumn("spend", new.spend.cast("bigint")))
    assert changes(old, new, merged).schema.simpleString() == all_added(new).schema.simpleString()
    assert changes(old.select("customer_id"), new.select("customer_id"), None).count() == 4
    assert changes(new, new, None).isEmpty()


def test_yesterdays_full_and_todays_changes_are_todays_full(spark: SparkSession):
    dice = random.Random(5)
    schema = "customer_id string, number int, real double, words array<string>, flag boolean"

    def population() -> dict[str, tuple[Any, ...]]:
        ids = (f"c{number}" for number in range(120) if dice.random() < 0.7)
        return {
            one: (
                dice.choice([None, 1, 2]), dice.choice([None, float("nan"), 1.5]),
                dice.choice([None, [], ["a"], ["a", "北"]]), dice.choice([None, True]),
            )
            for one in ids
        }  # fmt: skip

    held: dict[str, tuple[Any, ...]] = {}
    before = population()
    for _ in range(2):
        today = population()
        gone = sorted(set(before) - set(today))
        fates = [(one, dice.choice(sorted(today))) for one in gone[::2]]
        old, new = (
            spark.createDataFrame([(one, *rest) for one, rest in side.items()], schema) for side in (before, today)
        )
        merged = spark.createDataFrame(fates, "customer_id string, merged_into string")
        held = apply(dict(before), changes(old.repartition(3), new, merged).collect())
        assert str(sorted(held.items())) == str(sorted(today.items()))  # as text: NaN is not equal to itself
        before = today


def apply(held: dict[str, tuple[Any, ...]], delivered: list[Any]) -> dict[str, tuple[Any, ...]]:
    """What a receiver does with a delivery of changes."""
    for row in delivered:
        if row["change"] in ("removed", "merged"):
            del held[row["customer_id"]]
        else:
            assert (row["customer_id"] in held) == (row["change"] == "changed")
            held[row["customer_id"]] = tuple(row)[3:]
    return held


# -- cells

HOSTILE = [
    "=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u3000=1", "＝1+1", "＋1", "－1", "＠x",
    "=cmd|'/c calc'!A1", "a;=1+1", "a\n=1", "a\t@x", "; +1", "\tplain", "+49151123456=1", "-",
    "\u200b=1", "\u2003+x", "\x0b@x", "\x1b=1", "-5 ", "+1;=2",
]  # fmt: skip
HARMLESS = [
    "plain",
    "",
    "a=b",
    "1-2",
    "ann@example.org",
    "'=1",
    "-5",
    "+12.50",
    "-0.5",
    "+491511234567",
    "北京",
    "a; b",
    "x, y",
    "12:30",
    '"quoted"',
    "it's",
]  # fmt: skip


def test_no_cell_starts_a_formula_and_harmless_ones_stay(spark: SparkSession):
    cells = spark.createDataFrame(
        [(str(n), text) for n, text in enumerate([*HOSTILE, *HARMLESS])], "customer_id string, note string"
    )
    shown = [row[1] for row in sorted(text_cells(cells).collect(), key=lambda row: int(row[0]))]
    for before, after in zip(HOSTILE, shown, strict=False):
        assert after != before and after.replace("'", "") == before.replace("'", ""), before
        for cell in re.split(r"[;\t\r\n]", after):
            assert not re.match(r"[\s\u3000]*[=+\-@＝＋－＠]", cell), before
    assert shown[len(HOSTILE) :] == HARMLESS


def test_phones_numbers_lists_and_nothing_in_cells(spark: SparkSession):
    df = spark.sql(
        "select 'a' customer_id, '+491511234567' phone, -5 number, cast(-0.5 as decimal(18,4)) amount,"
        " array('=x', null, '茶') likes, map('k', '=v') facts, cast(null as string) nothing"
        " union all select 'b', '+49=1', null, null, null, null, ''"
    )
    first, second = sorted(text_cells(df).collect())
    assert tuple(first)[1:3] == ("+491511234567", -5)
    assert (first["likes"], first["facts"], first["nothing"]) == ('["=x",null,"茶"]', '{"k":"=v"}', None)
    assert (second["phone"], second["likes"], second["nothing"]) == ("'+49=1", None, "")
