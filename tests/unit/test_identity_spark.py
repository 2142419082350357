"""The Spark transforms of identity: ties from silver, and the golden record."""

from datetime import UTC, date, datetime

from pyspark.sql import Observation, Row

from transforms.identity.definition import Identity
from transforms.identity.edges import EMPTY, OVERLONG, ties
from transforms.identity.survivorship import disagreements, golden_records
from transforms.schemas import CONTACT, ENTITIES, GOLD_CUSTOMER

D1, D2, D3, D4 = (date(2026, 3, day) for day in (1, 2, 3, 4))
AS_OF = datetime(2026, 3, 3, 23, 59, 59, tzinfo=UTC)
SILVER = "_batch_date date, _valid_to date, event_at timestamp, _node string, ids map<string,array<string>>"


def _silver(spark, entity: str, rows: list[tuple]):
    return ENTITIES[entity].person, spark.createDataFrame(rows, SILVER)


def _ties(spark, *silver, types=("cookie", "email", "phone")) -> set[tuple]:
    found = ties(list(silver), day=D3, as_of=AS_OF, types=types)
    return {tuple(row) for row in found.collect()}


def test_events_share_nodes_and_persons_are_nodes(spark):
    anonymous, member = 'web:{"cookie":["c"]}', 'web:{"cookie":["c"],"email":["x"]}'
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    web = _silver(
        spark,
        "web_event",
        [
            (D1, None, at, anonymous, {"cookie": ["c"]}),
            (D3, None, at, anonymous, {"cookie": ["c"]}),
            (D2, None, at, member, {"cookie": ["c"], "email": ["x"]}),
            (D2, None, at, None, None),
        ],
    )
    contact = _silver(
        spark, "contact", [(D1, None, None, "crm:1", {"email": ["x", "y", "x"]}), (D1, None, None, "crm:2", {})]
    )
    assert _ties(spark, web, contact) == {
        (anonymous, False, "cookie", "c", None, D1, D3),
        (member, False, "cookie", "c", None, D2, D2),
        (member, False, "email", "x", None, D2, D2),
        ("crm:1", True, "email", "x", None, D1, D1),
        ("crm:1", True, "email", "y", None, D1, D1),
        ("crm:2", True, None, None, None, D1, D1),
    }


def test_what_a_run_may_not_see_ties_nothing_and_closed_versions_give_age_only(spark):
    late = datetime(2026, 3, 4, 0, 0, 0, tzinfo=UTC)
    node = 'web:{"cookie":["%s"]}'
    web = _silver(
        spark,
        "web_event",
        [
            (D1, None, late, node % "after as_of", {"cookie": ["after as_of"]}),
            (D4, None, AS_OF, node % "not landed", {"cookie": ["not landed"]}),
            (D1, D3, AS_OF, node % "closed", {"cookie": ["closed"]}),
            (D1, D4, AS_OF, node % "closed later", {"cookie": ["closed later"]}),
        ],
    )
    contact = _silver(
        spark,
        "contact",
        [
            (D1, D2, None, "crm:1", {"email": ["x"], "phone": ["5"]}),
            (D2, D3, None, "crm:1", {}),
            (D3, None, None, "crm:1", {"email": ["x"], "phone": ["6"]}),
        ],
    )
    assert _ties(spark, web, contact) == {
        (node % "closed later", False, "cookie", "closed later", None, D1, D1),
        ("crm:1", True, "email", "x", None, D1, D3),
        ("crm:1", True, "phone", "6", None, D3, D3),
    }


def test_only_listed_types_tie_and_unfit_values_are_told_apart(spark):
    long = "x" * 1_000_000
    contact = _silver(
        spark,
        "contact",
        [
            (D1, None, None, "crm:1", {"email": [" ", "é" * 256, None], "cookie": ["c"]}),
            (D1, None, None, "crm:2", {"email": [long]}),
            (D1, None, None, "crm:3", {"cookie": ["c"]}),
        ],
    )
    shown = "x" * 64 + "… (1000000 characters)"
    assert _ties(spark, contact, types=("email",)) == {
        ("crm:1", True, "email", " ", EMPTY, D1, D1),
        ("crm:1", True, "email", "é" * 256, None, D1, D1),
        ("crm:2", True, "email", shown, OVERLONG, D1, D1),
        ("crm:3", True, None, None, None, D1, D1),
    }


def test_values_that_json_must_escape_come_back_whole(spark):
    value = 'a"b\\c{é\n:}'
    frame = spark.createDataFrame([(D1, None, AS_OF, None, {"cookie": [value]})], SILVER)
    node = frame.selectExpr("concat('web:', to_json(ids)) as node").collect()[0].node
    web = _silver(spark, "web_event", [(D1, None, AS_OF, node, {"cookie": [value]})])
    assert _ties(spark, web) == {(node, False, "cookie", value, None, D1, D1)}


def _contact(node: str, source: str = "crm", *, updated=None, registered=None, **fields) -> dict:
    times = {"updated_at": updated, "registered_at": registered}
    stamps = {name: datetime(2026, 1, day, tzinfo=UTC) if day else None for name, day in times.items()}
    return {"_node": node, "record_id": node, "source": source, **stamps, **fields}


def _golden(
    spark, contacts: list[dict], *, records=None, consents=None, trust=("crm", "shop"), seen=None, **survivorship
):
    """customer -> row. Every node is the known customer K's unless `records` says otherwise."""
    identity = Identity.model_validate(
        {
            "known_by": ["email"], "identifiers": {"email": {"priority": 1}}, "trust": trust,
            "survivorship": survivorship,
        }
    )  # fmt: skip
    owned = records or [(row["_node"], "K", True) for row in contacts]
    frame = spark.createDataFrame(owned, "record_id string, customer_id string, known boolean")
    columns = ["_node", "record_id", "source", *CONTACT.types]
    schema = ", ".join(f"{name} {CONTACT.types.get(name, 'string')}" for name in columns)
    rows = spark.createDataFrame([tuple(row.get(name) for name in columns) for row in contacts], schema)
    if consents is not None:
        schema = "_node string, purpose string, decided_at timestamp, granted boolean"
        consents = spark.createDataFrame(consents, schema)
    found = golden_records(frame, rows, consents, identity=identity, seen=seen)
    assert tuple(found.columns) == GOLD_CUSTOMER.names
    return {row.customer_id: row for row in found.collect()}


TRUSTED, RECENT, FREQUENT = "most_trusted_source", "most_recent", "most_frequent"
RULES = {
    "city": [TRUSTED, RECENT],
    "region": [RECENT],
    "street": [FREQUENT, TRUSTED],
    "postal_code": [TRUSTED, FREQUENT],
    "occupation": [FREQUENT, RECENT],
    "education": [TRUSTED],
}
# case: (the field, and with it the rules), what the records say, the survivor, and the record that gave it
SURVIVORS = {
    "the most trusted source, though it is older": (
        "city",
        [_contact("a", "shop", updated=9, city="New"), _contact("b", "crm", updated=1, city="Old")],
        ("Old", "b"),
    ),
    "a trusted source that says nothing is passed over": (
        "city",
        [_contact("a", "shop", updated=1, city="Ulm"), _contact("b", "crm", updated=9)],
        ("Ulm", "a"),
    ),
    "sources that are not listed come last": (
        "city",
        [_contact("a", "blog", updated=9, city="New"), _contact("b", "shop", updated=1, city="Old")],
        ("Old", "b"),
    ),
    "the most recent; registered counts where nothing was updated": (
        "region",
        [
            _contact("a", updated=2, registered=1, region="A"),
            _contact("b", registered=3, region="B"),
            _contact("c", region="C"),
        ],
        ("B", "b"),
    ),
    "the most frequent, though less trusted": (
        "street",
        [_contact("a", "shop", street="A"), _contact("b", "shop", street="A"), _contact("c", "crm", street="C")],
        ("A", "a"),
    ),
    "frequency counts among what is left only": (
        "postal_code",
        [
            _contact("a", "crm", postal_code="A"),
            _contact("b", "crm", postal_code="B"),
            _contact("c", "crm", postal_code="B"),
            *(_contact(f"s{n}", "shop", postal_code="A") for n in range(5)),
        ],
        ("B", "b"),
    ),
    "equally frequent: the next rule decides by a value's best record": (
        "occupation",
        [
            _contact("a", updated=1, occupation="A"),
            _contact("b", updated=5, occupation="A"),
            _contact("c", updated=4, occupation="B"),
            _contact("d", updated=4, occupation="B"),
        ],
        ("A", "b"),
    ),
    "nothing decides: the smaller text, of the smaller record": (
        "education",
        [_contact("c", education="B"), _contact("b", education="A"), _contact("a", education="A")],
        ("A", "a"),
    ),
}


def test_survivorship(spark):
    nodes = [
        (case, {**row, "_node": f"{case}/{row['_node']}"}) for case, (_, rows, _) in SURVIVORS.items() for row in rows
    ]
    records = [(row["_node"], case, True) for case, row in nodes]
    golden = _golden(spark, [row for _, row in nodes], records=records, **RULES)
    found = {case: (golden[case][field], golden[case].provenance[field]) for case, (field, _, _) in SURVIVORS.items()}
    assert found == {case: survivor for case, (_, _, survivor) in SURVIVORS.items()}


def test_fields_have_rules_of_their_own_types_come_back_and_missing_stays_null(spark):
    born = date(1980, 2, 29)
    contacts = [
        _contact("a", "crm", updated=1, email="old@x", city="Ulm", birth_date=born),
        _contact("b", "shop", updated=2, registered=1, email="new@x", city="Bonn", household_size=12),
    ]
    row = _golden(spark, contacts, default=[TRUSTED], email=[RECENT])["K"]
    assert (row.email, row.city, row.birth_date, row.household_size) == ("new@x", "Ulm", born, 12)
    assert row.registered_at == datetime(2026, 1, 1)
    assert row.given_name is None
    assert row.consents is None
    assert row.provenance == {
        "email": "b", "city": "a", "birth_date": "a", "household_size": "b", "registered_at": "b",
    }  # fmt: skip


def test_of_whom_sources_say_different_things(spark):
    """Two sources that say it alike or differently count; one source with itself, or one alone, is no comparison."""
    said = {
        "differ": [("crm", "Ulm"), ("shop", "Bonn")],
        "alike but for case": [("crm", "ULM"), ("shop", "Ulm")],
        "differ by one of three": [("crm", "Ulm"), ("shop", "Ulm"), ("shop", "Bonn")],
        "within one source": [("crm", "Ulm"), ("crm", "Bonn")],
        "one alone": [("crm", "Ulm"), ("shop", None)],
    }
    nodes = [(case, f"{case}/{n}", told) for case, rows in said.items() for n, told in enumerate(rows)]
    contacts = [_contact(node, source, registered=1 + len(node) % 9, city=city) for _, node, (source, city) in nodes]
    seen = Observation("said")
    _golden(spark, contacts, records=[(node, case, True) for case, node, _ in nodes], seen=seen)
    assert disagreements(seen.get) == {"city": {"told": 3, "differ": 2}}


def test_nobody_known_is_no_disagreement(spark):
    seen = Observation("nobody")
    assert _golden(spark, [_contact("a", city="Ulm")], records=[("a", "K", False)], seen=seen) == {}
    assert disagreements(seen.get) == {}


def test_known_customers_only_and_those_without_contact_too(spark):
    records = [("a", "K", True), ("pos:{}", "CARD", True), ("b", "ANON", False)]
    rows = _golden(spark, [_contact("a", city="Ulm"), _contact("b", city="Rom")], records=records)
    assert sorted(rows) == ["CARD", "K"]
    assert rows["CARD"] == Row(**{**dict.fromkeys(GOLD_CUSTOMER.names), "customer_id": "CARD"})


def test_the_latest_decision_and_of_equal_times_the_refusal(spark):
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    consents = [
        ("c1", "marketing", early, True), ("c2", "marketing", late, False),
        ("c1", "service", early, False), ("c2", "service", late, True),
        ("c1", "profiling", late, True), ("c2", "profiling", late, False), ("c3", "profiling", late, True),
        ("anon", "marketing", late, True),
    ]  # fmt: skip
    records = [(node, "K", True) for node in ("a", "c1", "c2", "c3")] + [("anon", "N", False), ("z", "Z", True)]
    rows = _golden(spark, [_contact("a")], records=records, consents=consents)
    assert rows["K"].consents == {"marketing": False, "service": True, "profiling": False}
    assert rows["Z"].consents is None
    assert sorted(rows) == ["K", "Z"]


def test_no_source_of_contacts_at_all(spark):
    identity = Identity.model_validate({"known_by": ["email"], "identifiers": {"email": {"priority": 1}}})
    frame = spark.createDataFrame([("a", "K", True)], "record_id string, customer_id string, known boolean")
    assert [row.customer_id for row in golden_records(frame, None, None, identity=identity).collect()] == ["K"]


def test_partitions_change_nothing(spark):
    node = 'web:{"cookie":["%d"],"email":["%d"]}'
    rows = [
        (day, None, AS_OF, node % (n % 7, n % 3), {"cookie": [str(n % 7)], "email": [str(n % 3)]})
        for n in range(40)
        for day in (D1, D2)
    ]
    silver = spark.createDataFrame(rows, SILVER)
    found = [
        {tuple(row) for row in ties([(False, frame)], day=D3, as_of=AS_OF, types=["cookie", "email"]).collect()}
        for frame in (silver.coalesce(1), silver.repartition(5, "_node"), silver.orderBy("_node").repartition(3))
    ]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 2 * 21
