"""conf/identity.yml: what is read, and what is refused with which line."""

import pytest

from transforms.definitions import parse, parse_yaml
from transforms.errors import DefinitionError
from transforms.identity.definition import Identity, check_identity

GIVEN = """
known_by: [crm_id, shop_customer, email, phone]
identifiers:
  crm_id:        {priority: 1}
  shop_customer: {priority: 1, per_customer: 1}
  email:         {priority: 2, per_customer: 5, blocked: ['^(no-?reply|info|test)@']}
  phone:         {priority: 3, per_customer: 5, max_linked: 4}
  cookie:        {priority: 5, per_customer: 50, max_linked: 3, max_age: 180d}
survivorship:
  default: [most_trusted_source, most_recent, most_frequent]
  email: [most_recent]
trust: [crm_contacts, shop_orders]
limits: {id_churn: 0.01, driver_edges: 20000000, block: 10000}
"""
SOURCES = {"crm_contacts", "shop_orders", "weblog"}


def read(text: str) -> Identity:
    return parse(Identity, parse_yaml(text, place="conf/identity.yml"), place="conf/identity.yml")


def test_the_documented_file_is_read():
    identity = read(GIVEN)
    assert identity.identifiers["cookie"].max_age == 180
    assert identity.identifiers["email"].blocked == ("^(no-?reply|info|test)@",)
    assert identity.identifiers["phone"].weight == pytest.approx(1 / 3)
    assert identity.rules("email") == ("most_recent",)
    assert identity.rules("city") == ("most_trusted_source", "most_recent", "most_frequent")
    assert identity.limits.driver_edges == 20_000_000


def test_limits_and_survivorship_have_defaults():
    identity = read("known_by: [email]\nidentifiers: {email: {priority: 1}}")
    assert identity.limits.id_churn == 0.01
    assert identity.rules("email") == ("most_trusted_source", "most_recent", "most_frequent")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("max_linked: 4", "max_link: 4"), "unknown key 'identifiers.phone.max_link'; did you mean 'max_linked'?"),
        (("trust:", "matchin: {}\ntrust:"), "unknown key 'matchin'; did you mean 'matching'?"),
        (("max_age: 180d", "max_age: 180"), "identifiers.cookie.max_age: '180' is not a duration"),
        (("max_age: 180d", "max_age: 12h"), "identifiers.cookie.max_age: '12h' must be in whole days"),
        (("priority: 3", "priority: 0"), "identifiers.phone.priority: "),
        (("'^(no-?", "'^((no-?"), "'^((no-?reply|info|test)@' is not a regular expression"),
        (("'^(no-?", "'^(?!x)(no-?"), "look-around and back-references are not available"),
        (("  email: [", "  emial: ["), "survivorship: no field 'emial' in contact; did you mean 'email'?"),
        (("email: [most_recent]", "email: [most_recnt]"), "email: no rule 'most_recnt'; did you mean 'most_recent'?"),
        (("[crm_id, shop", "[crm, shop"), "known_by: 'crm' is not among identifiers; did you mean 'crm_id'?"),
        (("id_churn: 0.01", "id_churn: 2"), "limits.id_churn: "),
    ],
)
def test_what_is_wrong_is_named_with_its_key(change, line):
    with pytest.raises(DefinitionError) as error:
        read(GIVEN.replace(*change))
    assert any(told.startswith("conf/identity.yml: ") and line in told for told in error.value.lines)


def test_trust_in_a_source_that_is_not_there():
    with pytest.raises(DefinitionError) as error:
        check_identity(read(GIVEN), {"crm_id"}, {"crm_contact", "shop_orders"})
    assert error.value.lines == ("conf/identity.yml: trust: no source 'crm_contacts'; did you mean 'crm_contact'?",)


def test_types_that_nobody_gives_or_lists_are_told():
    assert check_identity(read(GIVEN), {"crm_id", "shop_custmer", "cookie"}, SOURCES) == [
        "conf/identity.yml: identifiers: no source gives 'shop_customer'; did you mean 'shop_custmer'?",
        "conf/identity.yml: identifiers: sources give 'shop_custmer', which is not listed and so links nobody",
    ]


def test_an_identifier_that_comes_by_itself_needs_no_entry():
    given = {"crm_id", "shop_customer", "cookie", "loyalty_id", "device"}
    assert check_identity(read(GIVEN), given, SOURCES) == []
