"""The checks of a source's YAML: what may be written, and what is said of the rest."""

import pytest

from transforms.errors import DefinitionError
from transforms.sources.checks import Check, check_known
from transforms.sources.definition import Source, parse_source

_SOURCE = """
source: till
entity: transaction
read: {{format: csv, path: "extracts/{{date}}/*.csv"}}
columns: {{order_id: a, line_no: b, ordered_at: c, quantity: d, amount_local: e, currency: f, category: g, brand: i}}
ids: {{loyalty_id: h}}
checks:
  - {check}
"""
_CONTACT = """
source: crm
entity: contact
read: {format: csv, path: "extracts/{date}/*.csv"}
columns: {contact_id: a, email: b}
ids: {crm_id: a}
"""


def source(check: str) -> Source:
    return parse_source(_SOURCE.format(check=check), place="conf/sources/till.yml")


@pytest.mark.parametrize(
    ("written", "name", "gate", "dimension"),
    [
        ("{name: dear, expect: amount_local > 0}", "dear", "quarantine", "validity"),
        ("{name: who, expect: \"ids['a'] is not null or (brand IS NOT NULL)\"}", "who", "quarantine", "completeness"),
        ("{name: sum, expect: amount_local = quantity, dimension: accuracy, on_fail: stop}", "sum", "stop", "accuracy"),
        ("{volume: 0.5}", "volume", "warn", "completeness"),
        ("{fresh: 2d, on_fail: stop}", "fresh", "stop", "timeliness"),
        ("{unique: [order_id, line_no]}", "unique_order_id_line_no", "warn", "uniqueness"),
        ("{known: loyalty_id, in: contact, mostly: 0.7}", "known_loyalty_id", "warn", "consistency"),
        ("{drift: category, at_most: 0.25}", "drift_category", "warn", "consistency"),
        ("{agrees: category, by: loyalty_id, name: same}", "same", "warn", "accuracy"),
    ],
)  # fmt: skip
def test_every_kind(written: str, name: str, gate: str, dimension: str) -> None:
    [check] = source(written).checks
    assert (check.name, check.on_fail, check.measures) == (name, gate, dimension)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{name: x}", "checks.0: says nothing to check (a check holds one of expect, volume, fresh,"),
        ("{volum: 0.5}", "unknown key 'checks.0.volum'; did you mean 'volume'?"),
        ("{volume: 0.5, fresh: 2d}", "checks.0: holds volume and fresh: make it two checks"),
        ("{volume: lots}", "checks.0.volume: should be a valid number"),
        ("{volume: 0}", "checks.0.volume: should be greater than 0"),
        ("{fresh: 2h}", "checks.0.fresh: '2h' must be in whole days, such as 30d"),
        ("{expect: quantity > 0}", "checks.0: expect needs 'name' beside it"),
        ("{known: loyalty_id}", "checks.0: known needs 'in' beside it"),
        ("{drift: category}", "checks.0: drift needs 'at_most' beside it"),
        ("{agrees: category}", "checks.0: agrees needs 'by' beside it"),
        ("{fresh: 2d, mostly: 0.9}", "checks.0: 'mostly' means nothing beside fresh; remove it"),
        ("{fresh: 2d, on_fail: quarantine}", "fresh looks at the night as a whole and cannot quarantine; warn or stop"),
        ("{name: cheap, expect: unit_price < 9}", "checks.cheap: no column 'unit_price' in the columns of till"),
        ("{unique: [order]}", "checks.unique_order: no column 'order' in transaction; did you mean 'order_id'?"),
        ("{drift: categori, at_most: 1}", "no column 'categori' in transaction; did you mean 'category'?"),
        ("{known: loyalty, in: contact}", "till gives no identifier 'loyalty'; did you mean 'loyalty_id'?"),
        ("{known: loyalty_id, in: contacts}", "no entity 'contacts'; did you mean 'contact'?"),
        ("{name: fresh, expect: quantity > 0}", "checks: 'fresh' is the name of a check that is always made"),
        ("{name: has_order_id, expect: quantity > 0}", "'has_order_id' is the name of a check that is always made"),
        ("{volume: 1}\n  - {volume: 2}", "checks: two are named 'volume'; give one another name"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(written: str, said: str) -> None:
    with pytest.raises(DefinitionError) as error:
        source(written)
    assert len(error.value.lines) == 1
    assert error.value.lines[0].startswith("conf/sources/till.yml: ")
    assert said in error.value.lines[0]


def test_personal_values_are_not_counted() -> None:
    with pytest.raises(DefinitionError, match=r"checks\.drift_email: 'email' holds personal data"):
        parse_source(_CONTACT + "checks: [{drift: email, at_most: 0.2}]\n", place="conf/sources/crm.yml")


def test_an_identifier_that_nobody_gives() -> None:
    sources = {
        "till": source("{known: loyalty_id, in: contact}"),
        "crm": parse_source(_CONTACT, place="conf/sources/crm.yml"),
    }
    with pytest.raises(DefinitionError) as error:
        check_known(sources)
    [line] = error.value.lines
    assert (
        line == "conf/sources/till.yml: checks.known_loyalty_id: no source of contact gives an identifier 'loyalty_id'"
    )


def test_exactly_the_share_that_may_fail() -> None:
    """1 - 0.9 is less than 0.1 in binary fractions: 10 rows of 100 may fail all the same."""
    check = Check(name="x", expect="true", mostly=0.9)
    assert 10 / 100 <= check.allowed < 11 / 100
