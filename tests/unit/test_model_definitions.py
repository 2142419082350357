"""What a model's YAML can have wrong: each a line with the file, the key and the remedy. No Spark."""

import pytest

from transforms.errors import DefinitionError
from transforms.tags.definition import parse_tags

HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: d\nowner: o\nstatus: online\n"
TAGS = {
    "spend": "purposes: [marketing, service]\nfrom: transaction\nselect: sum(amount)",
    "tickets": "purposes: [service]\nfrom: service_ticket\nselect: count(*)",
    "city": "purposes: [marketing]\nfrom: customer\nselect: city",
}
LABEL = "label: {event: transaction, within: 60d, happens: false}\n"
CHURN = f"model: churn\n{LABEL}features: [spend, tickets]\n"
LIFETIME = "purposes: [marketing]\nmodel: lifetime_value\nfrom: transaction\namount: amount\n"
NEXT = "purposes: [marketing]\nmodel: next_category\nfrom: transaction\nof: category\n"


def parsed(body: str) -> dict:
    return parse_tags(
        {f"t/{name}.yml": HEAD.format(tag=name) + text + "\n" for name, text in {**TAGS, "m": body}.items()}
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (CHURN.replace("spend", "spent"), "features: no tag 'spent'; did you mean 'spend'"),
        (CHURN.replace("spend", "city"), "features: 'city' is text, not a number"),
        (CHURN + "purposes: [marketing]\n", "purposes: marketing, which 'tickets' may not be used for"),
        (CHURN + "eligible: spend\n", "eligible: is a number, not a condition"),
        (CHURN + "eligible: spent > 1\n", "eligible: no tag 'spent'; did you mean 'spend'"),
        (CHURN.replace("transaction", "contact"), "label.event: contact has no time of its own"),
        (CHURN.replace("transaction", "transactions"), "label.event: no entity 'transactions'"),
        (CHURN.replace("within", "where: state = 'x', within"), "label.where: no column 'state'"),
        (CHURN.replace(", happens: false", ""), "label.happens"),
        (CHURN.replace(LABEL, ""), "label: a churn tag must have this key"),
        (CHURN + "algorithm: deep\n", "algorithm"),
        (CHURN + "gate: {auc: 1.5}\n", "gate.auc"),
        (CHURN + "type: number\n", "type: a model has several outputs of their own types; remove it"),
        (CHURN + "checks: [{expect: risks < 1}]\n", "checks[0].expect: no column 'risks'"),
        (CHURN + "examples: [{given: {spend: 1}, value: 1}]\n", "examples: a model learns from all customers"),
        ("model: chrun\nfeatures: [spend]\n", "the model 'chrun' is not built; did you mean 'churn'"),
        (LIFETIME.replace("amount: amount", "amount: status"), "amount: is text, not a number"),
        (LIFETIME.replace("amount: amount", "amount: amout"), "amount: no column 'amout'"),
        (LIFETIME + "horizon: 0d\n", "horizon: must be 1d to 36500d"),
        (NEXT.replace("of: category", "of: categorie"), "of: no column 'categorie'"),
        (NEXT + "top: 0\n", "top"),
    ],
)  # fmt: skip
def test_mistakes_are_said(body: str, line: str) -> None:
    with pytest.raises(DefinitionError) as error:
        parsed(body)
    assert f"t/m.yml: {line}" in str(error.value).replace("t/m.yml: model: the", "t/m.yml: the")


def test_outputs_purposes_and_needs() -> None:
    churn = parsed(CHURN + "eligible: spend > 0 and city is not null\n")["m"]
    assert [(out.name, out.type) for out in churn.outputs] == [
        ("m_risk", "double"), ("m_band", "string"), ("m_drivers", "array<string>"),
    ]  # fmt: skip
    assert churn.depends_on == ("city", "spend", "tickets")
    assert churn.purposes == ()  # city is for marketing alone, tickets for service alone
    assert [out.name for out in parsed(LIFETIME)["m"].outputs] == ["m_value", "m_p_alive", "m_expected_orders"]
    (only,) = parsed(NEXT)["m"].outputs
    assert (only.name, only.type) == ("m", "array<string>")
