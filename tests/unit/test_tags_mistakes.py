"""Every mistake that an analyst makes in a tag's YAML: one line that names the file, the key and the remedy."""
# ruff: noqa: E501  (tables of messages)

import re

import pytest

from transforms.errors import DefinitionError
from transforms.tags.definition import check_purposes, parse_tags
from transforms.tags.plan import meaning

HEAD = "tag: {tag}\ntitle: {{en: A tag}}\ndescription: For a test.\nowner: crm\nstatus: online\n"
PURPOSES = "purposes: [marketing]\n"
SPEND = "from: transaction\nwindow: 30d\nselect: sum(amount)\n"


def file(body: str, tag: str = "x", *, purposes: bool = True) -> dict[str, str]:
    return {f"tags/{tag}.yml": HEAD.format(tag=tag) + (PURPOSES if purposes else "") + body}


# body of tags/x.yml -> what is said of it
MISTAKES: list[tuple[str, str]] = [
    ("from: transaction\nselect: sum(amout)", "select: no column 'amout' in transaction; did you mean 'amount'?"),
    ("from: transaction\nselect: sum(_node)", "select: no column '_node' in transaction"),
    ("from: transaction\nselect: amount", "select: is no aggregate; say which of the rows: sum(…), max(…), count(*)"),
    ("from: transaction\nselect: sum(amount) / quantity", "select: the column 'quantity' stands outside an aggregate; put it into one: max(quantity)"),
    ("from: transaction\nselect: sum(category)\nwhere: sum(amount) > 3", "where: sum() is an aggregate, which has no place here: this is about one row"),
    ("from: transaction\nselect: sum(amount)\nwhere: stauts = 'purchase'", "where: no column 'stauts' in transaction; did you mean 'status'?"),
    ("from: transaction\nselect: sum(amount)\nwhere: quantity", "where: is a number, not a condition"),
    ("from: transaction\nselect: first(channel)", "select: the function 'first' is refused: its value depends on the order of rows; use max_by(value, ordered_at) or min_by(…)"),
    ("from: transaction\nselect: count(*)\nwhere: ordered_at > current_date", "where: current_date is refused: it reads the clock; use as_of"),
    ("from: transaction\nselect: summ(amount)", "select: no function 'summ'; did you mean 'sum'?"),
    ("from: transaction\nselect: sum(amount", "select: cannot be read near 'amount'"),
    ("from: transaction\nselect: ''", "says nowhere where its value comes from: one of select, first, last, preference, cases, sequence, sql, import, model"),
    ("from: transactions\nselect: sum(amount)", "from: no entity 'transactions'; did you mean 'transaction'? (one of customer, contact, transaction, web_event, social_activity, campaign_event, service_ticket, survey_response, interaction, loyalty_account, consent, enrichment, product, campaign)"),
    ("from: transaction\nselect: sum(amount)\nwindow: 30", "window: '30' is not a duration; write a number and a unit: 30d, 12h, 30m or 45s"),
    ("from: transaction\nselect: sum(amount)\nwindow: 12h", "window: '12h' must be in whole days, such as 30d"),
    ("from: transaction\nselect: sum(amount)\nwindow: 0d", "window: must be 1d to 36500d"),
    ("from: transaction\nselect: sum(amount)\nper: 30d", "per: scales a window's total, so it needs a window: window: 180d"),
    ("from: transaction\nselect: max(category)\nwindow: 30d\nper: 30d", "per: scales numbers, but the select gives text"),
    ("from: loyalty_account\nselect: sum(points)\nwindow: 30d", "window: loyalty_account has no time of its own; remove the window"),
    (SPEND + "type: text", "type: text, but the tag gives a number (decimal(28,4))"),
    (SPEND + "type: integer", "type: integer, but the tag gives a number (decimal(28,4))"),
    (SPEND + "type: money", "type: must be 'number', 'integer', 'text', 'enum', 'boolean', 'date', 'timestamp' or 'list', not 'money'"),
    (SPEND + "default: none", "default: 'none' is not of type number"),
    (SPEND + "default: true", "default: True is not of type number"),
    (SPEND + "max_age: 2", "max_age: '2' is not a duration; write a number and a unit: 30d, 12h, 30m or 45s"),
    (SPEND + "status: life", "the key 'status' is given twice"),
    (SPEND + "version: one", "version: should be a valid integer, unable to parse string as an integer, not 'one'"),
    (SPEND + "sensitivity: secret", "sensitivity: must be 'normal', 'personal' or 'sensitive', not 'secret'"),
    (SPEND + "selct: x", "unknown key 'selct'; did you mean 'select'?"),
    (SPEND + "top: 3", "top: a statistic tag has no such key (it has default, from, per, select, where, window)"),
    (SPEND + "half_life: 3d", "unknown key 'half_life'"),
    (SPEND + "first: channel", "says twice where its value comes from (first and statistic): one of select, first, last, preference, cases, sequence, sql, import, model"),
    (SPEND + "features: [a]", "features: a statistic tag has no such key (it has default, from, per, select, where, window)"),
    (SPEND + "values: [a, b]", "values: only an enum lists its values; write type: enum"),
    (SPEND + "examples: [{given: [{ordered_at: yesterday, amount: 3}], value: 3}]", "examples[0].given: ordered_at: 'yesterday' is not a timestamp; write -10d or 2024-12-31 18:30:00"),
    (SPEND + "examples: [{given: [{ordered_at: -10, amount: 3}], value: 3}]", "examples[0].given: ordered_at: -10 is not a timestamp; write -10d or 2024-12-31 18:30:00"),
    (SPEND + "examples: [{given: [{ordered_at: -10d, amount: a lot}], value: 3}]", "examples[0].given: amount: 'a lot' is not a number"),
    (SPEND + "examples: [{given: [{ordered_at: -10d, category: 5}], value: 3}]", "examples[0].given: category: 5 is not text"),
    (SPEND + "examples: [{given: [{ordered_at: -10d, ids: {email: a@x.org}}], value: 3}]", "examples[0].given: ids: {'email': 'a@x.org'} is not a map"),
    ("from: web_event\nselect: count_if(is_bot)\nexamples: [{given: [{is_bot: 'no'}], value: 3}]", "examples[0].given: is_bot: 'no' is not true or false"),
    ("sequence: [{event: web_event}, {event: transaction}]\nexamples: [{given: {web_event: [{occurred_at: -99999999d}]}, value: true}]", "examples[0].given: occurred_at: '-99999999d' is not a timestamp; write -10d or 2024-12-31 18:30:00"),
    (SPEND + "checks: [{expect: valu > 3}]", "checks[0].expect: no column 'valu' in a check of a tag; did you mean 'value'?"),
    (SPEND + "checks: [{expect: value + 3}]", "checks[0].expect: is a number, not a condition"),
    (SPEND + "checks: [{on_fail: warn}]", "checks.0: a check has either expect or drift"),
    ("from: transaction\npreference: {of: category, half_life: 0d}", "preference.half_life: must be 1d to 890d"),
    ("from: transaction\npreference: {of: category, half_life: 36500d}", "preference.half_life: must be 1d to 890d"),
    ("sequence: [{event: web_event}, {event: transaction, within: 0d}]", "sequence.1.within: should be greater than or equal to 1, not '0d'"),
    ("model: next_category\nfrom: web_event\nof: lower(query)", "of: 'query' is personal, and a model holds the values that it foretells"),
    (SPEND + "checks: [{drift: 0.2, mostly: 0.9}]", "checks.0: mostly goes with expect; drift is of all values"),
    ("model: lifecycle\nstages: [{value: a, when: 'true'}]\nexamples: [{given: {}, value: a}]", "examples: a model is told from the night before too, so that a few rows give no value; remove them"),
    (SPEND + "checks: [{expect: value > 3, on_fail: quarantine}]", "checks.0.on_fail: must be 'warn' or 'stop', not 'quarantine'"),
    (SPEND + "examples: [{given: [{amont: 3}], value: 3}]", "examples[0].given: no column 'amont'; did you mean 'amount'?"),
    (SPEND + "examples: [{given: {amount: 3}, value: 3}]", "examples[0].given: must be a list of rows"),
    (SPEND + "examples: [{given: [], value: much}]", "examples[0].value: 'much' is not of type number"),
    ("select: sum(amount)", "select: sum() is an aggregate, which has no place here: this is about one row"),
    ("select: ordres + 1", "select: no tag 'ordres'; did you mean 'orders'?"),
    ("select: secret_orders + 1", "uses 'secret_orders', which is draft; an online tag is built on online tags"),
    ("select: orders + 1\ndefault: 0", "default: a derived tag has no such key (it has select)"),
    ("select: orders + 1\npurposes: [service]", "the key 'purposes' is given twice"),
    ("select: x + orders", "is built on itself: x -> x"),
    ("from: customer\nselect: ctiy", "select: no column 'ctiy' in customer; did you mean 'city'?"),
    ("from: customer\nselect: income\nsensitivity: normal", "sensitivity: normal, but it is built on what is sensitive"),
    ("from: customer\nselect: email\nsensitivity: normal", "sensitivity: normal, but it is built on what is personal"),
    ("from: customer\nselect: consents", "gives a map, which no tag can hold; cast it"),
    ("from: customer\nselect: gender\ntype: enum", "values: an enum lists its values: values: [low, middle, high]"),
    ("from: transaction\nlast: ids", "last: values of a map have no order"),
    ("from: transaction\nlast: channel\nper: 3d", "per: a last tag has no such key (it has default, from, last, where, window)"),
    ("last: channel", "from: a last tag must have this key"),
    ("cases: [{value: a, when: orders > }]", "cases[0].when: cannot be read near '>'"),
    ("cases: [{value: a, when: orders}]", "cases[0].when: is a number, not a condition"),
    ("cases: [{value: a, wen: orders > 3}]", "cases.0.when: this key is required"),
    ("type: enum\nvalues: [high, low]\ncases: [{value: hihg, when: orders > 3}]", "cases[0].value: 'hihg' is not one of values; did you mean 'high'?"),
    ("type: enum\nvalues: [high, low]\ncases: [{value: high, when: orders > 3}]\ndefault: medium", "default: 'medium' is not one of values"),
    ("cases: [{value: 3, when: orders > 3}, {value: high, when: orders > 1}]", "cases: their values are of several types; make them alike"),
    ("from: transaction\npreference: {of: ids}", "preference.of: is a map, not a value to rank"),
    ("from: transaction\npreference: {of: category, weight: brand}", "preference.weight: is text, not a number"),
    ("from: transaction\npreference: {of: category, top: 0}", "preference.top: should be greater than or equal to 1, not 0"),
    ("from: transaction\npreference: {of: category, half_life: 60}", "preference.half_life: '60' is not a duration; write a number and a unit: 30d, 12h, 30m or 45s"),
    ("from: loyalty_account\npreference: {of: tier, half_life: 60d}", "preference.half_life: loyalty_account has no time of its own; remove it"),
    ("from: transaction\npreference: {of: category}\ntype: text", "type: text, but the tag gives a list (array<string>)"),
    ("sequence: [{event: web_event}]", "sequence: has one step; a sequence has at least two, and a single one is a statistic"),
    ("sequence: [{event: web_events}, {event: transaction}]", "sequence.0.event: no entity 'web_events'; did you mean 'web_event'? (one of transaction, web_event, social_activity, campaign_event, service_ticket, survey_response, interaction, consent)"),
    ("sequence: [{event: web_event}, {event: loyalty_account}]", "sequence.1.event: loyalty_account has no time of its own (one of transaction, web_event, social_activity, campaign_event, service_ticket, survey_response, interaction, consent)"),
    ("sequence: [{event: web_event, within: 2d}, {event: transaction}]", "sequence: its first step is where it begins: it takes neither not nor within"),
    ("sequence: [{event: web_event}, {event: transaction, within: 2}]", "sequence.1.within: '2' is not a duration; write a number and a unit: 30d, 12h, 30m or 45s"),
    ("sequence: [{event: web_event}, {event: transaction, wihtin: 2d}]", "unknown key 'sequence.1.wihtin'; did you mean 'within'?"),
    ("sequence: [{event: web_event}, {event: transaction, where: amout > 3}]", "sequence[1].where: no column 'amout' in transaction; did you mean 'amount'?"),
    ("sequence: [{event: web_event}, {event: transaction, where: amount}]", "sequence[1].where: is a number, not a condition"),
    ("sequence: [{event: web_event}, {event: transaction}]\nat_least: 0", "at_least: should be greater than or equal to 1, not 0"),
    ("sequence: [{event: web_event}, {event: transaction}]\ntype: integer\nat_least: 2", "at_least: makes a condition; remove it, or write type: boolean"),
    ("sequence: [{event: web_event}, {event: transaction}]\ntype: text", "type: text, but the tag gives a condition (boolean)"),
    ("sequence: [{event: web_event}, {event: transaction}]\nfrom: web_event", "from: a sequence tag has no such key (it has at_least, default, sequence, window)"),
    ("sequence: [{event: web_event}, {event: transaction}]\nexamples: [{given: [{amount: 3}], value: true}]", "examples[0].given: must be rows by entity: {web_event: [{…}], transaction: []}"),
    ("sequence: [{event: web_event}, {event: transaction}]\nexamples: [{given: {web_evnt: []}, value: true}]", "examples[0].given: the tag reads no 'web_evnt'; did you mean 'web_event'?"),
    ("sequence: [{event: web_event}, {event: transaction}]\nexamples: [{given: {transaction: [{amout: 3}]}, value: true}]", "examples[0].given: no column 'amout' in transaction; did you mean 'amount'?"),
    ("sql: select 1", "sql: says nowhere what it reads: from {transaction}"),
    ("sql: select customer_id, 1 as value from transaction", "sql: no table 'transaction': a query reads entities between braces; write {transaction}"),
    ("sql: select customer_id, sum(amount) as spent from {transaction} group by customer_id", "sql: gives no value; it must give customer_id and value: … as value"),
    ("sql: select sum(amount) as value from {transaction}", "sql: gives no customer_id; it must give customer_id and value: … as customer_id"),
    ("sql: select customer_id, 1 as value, 2 as other from {transaction}", "sql: gives 'other' beside customer_id and value; remove it"),
    ("sql: select 7 as customer_id, 1 as value from {transaction}", "sql: its customer_id is none: select the customer_id of an entity"),
    ("sql: select customer_id, ids as value from {transaction}", "gives a map, which no tag can hold; cast it"),
    ("sql: select customer_id, text as value from {service_ticket}\nsensitivity: normal", "sensitivity: normal, but it is built on what is personal"),
    ("sql: select customer_id, attributes['x'] as value from {enrichment}\nsensitivity: personal", "sensitivity: personal, but it is built on what is sensitive"),
    ("sql: select customer_id, status as value from {transaction}\ntype: number", "type: number, but the tag gives text (string)"),
    ("sql: select customer_id, status as value from {transaction}\nwhere: amount > 3", "where: a sql tag has no such key (it has default, sql)"),
    ("import: list.csv", "type: an import says what its values are: one of number, integer, text, enum, boolean, date"),
    ("import: list.csv\ntype: enum", "values: an enum lists its values: values: [low, middle, high]"),
    ("import: list.csv\ntype: text\nwindow: 3d", "window: an import tag has no such key (it has default, import)"),
    ("import: list.csv\ntype: text\nexamples: [{given: {}, value: a}]", "examples[0]: an import has no examples; its file says what it gives"),
    ("model: kmean\nfeatures: [orders]", "model: the model 'kmean' is not built; did you mean 'kmeans'? (built: rfm, kmeans, lifecycle, churn, purchase_intent, lifetime_value, next_category)"),
    ("model: kmeans", "features: a kmeans tag must have this key"),
    ("model: kmeans\nfeatures: [ordres]", "features: no tag 'ordres'; did you mean 'orders'?"),
    ("model: kmeans\nfeatures: [level]", "features: 'level' is text, not a number"),
    ("model: kmeans\nfeatures: [orders]\nk: 3-10", "k: '3-10' is not a range; write the fewest and the most clusters: 3..10"),
    ("model: kmeans\nfeatures: [orders]\ntransform: {order: log1p}", "transform: 'order' is not one of the features; did you mean 'orders'?"),
    ("model: rfm\nfrom: transaction\nrecency: channel\nfrequency: count(*)\nmonetary: sum(amount)\ncases: [{value: a, when: r = 5}]", "recency: is text, not a time such as ordered_at"),
    ("model: rfm\nfrom: transaction\nrecency: ordered_at\nfrequency: quantity\nmonetary: sum(amount)\ncases: [{value: a, when: r = 5}]", "frequency: must be a number over the rows, such as count(*) or sum(amount)"),
    ("model: rfm\nfrom: transaction\nrecency: ordered_at\nfrequency: count(*)\nmonetary: sum(amount)\ncases: [{value: a, when: recency_day = 5}]", "cases[0].when: no score 'recency_day'; did you mean 'recency_days'?"),
]  # fmt: skip


def others() -> dict[str, str]:
    """Sound tags beside the one that is wrong."""
    return {
        **file("from: transaction\nselect: count(*)\ndefault: 0\n", "orders"),
        **file("cases: [{value: high, when: orders > 3}]\ndefault: low\n", "level", purposes=False),
        **{
            place: text.replace("status: online", "status: draft")
            for place, text in file("from: transaction\nselect: count(*)\n", "secret_orders").items()
        },
    }


@pytest.mark.parametrize(("body", "message"), MISTAKES)
def test_a_mistake_is_told_in_one_line(body: str, message: str) -> None:
    with pytest.raises(DefinitionError) as wrong:
        parse_tags({**others(), **file(body + "\n")})
    told = [re.sub(r"^tags/x\.yml(:\d+)?: ", "", line) for line in wrong.value.lines]
    assert message in told
    assert all(line.startswith("tags/x.yml") for line in wrong.value.lines)


def test_all_mistakes_of_all_files_are_told_at_once() -> None:
    files = {
        **file("from: transaction\nselect: sum(amout)\nwhere: stauts = 'a'\n", "a"),
        **file("from: transaction\nselect: summ(amount)\n", "b"),
        **file("select: a + 1\n", "c"),
        "tags/d.yml": "tag: d\n\tstatus: online\n",
        "tags/e.yml": "tag: e\n---\ntag: f\n",
        "tags/g.yml": "",
        "tags/h.yml": "- a list\n",
    }
    with pytest.raises(DefinitionError) as wrong:
        parse_tags(files)
    assert wrong.value.lines == (
        "tags/d.yml:2: a tab cannot indent YAML; use spaces",
        "tags/e.yml:2: one file holds one definition; remove the '---' and what follows",
        "tags/g.yml: the file is empty; see docs/ for what belongs in it",
        "tags/h.yml: must hold keys and values, but holds a list",
        "tags/a.yml: where: no column 'stauts' in transaction; did you mean 'status'?",
        "tags/a.yml: select: no column 'amout' in transaction; did you mean 'amount'?",
        "tags/b.yml: select: no function 'summ'; did you mean 'sum'?",
    )


def test_keys_that_every_tag_must_have() -> None:
    with pytest.raises(DefinitionError) as wrong:
        parse_tags({"tags/x.yml": "tag: X\nfrom: transaction\nselect: count(*)\n"})
    assert wrong.value.lines == (
        "tags/x.yml: tag: 'X' is no name; write it in a to z, 0 to 9 and _, a letter first, at most 63",
        "tags/x.yml: title: this key is required",
        "tags/x.yml: description: this key is required",
        "tags/x.yml: owner: this key is required",
    )


def test_a_tag_that_is_not_built_on_others_says_what_it_is_for() -> None:
    with pytest.raises(DefinitionError) as wrong:
        parse_tags(file(SPEND, purposes=False))
    assert wrong.value.lines == ("tags/x.yml: purposes: this key is required; say what the tag may be used for",)


def test_names_and_files() -> None:
    text = HEAD.format(tag="x") + PURPOSES + SPEND
    with pytest.raises(DefinitionError) as wrong:
        parse_tags({"tags/a/x.yml": text, "tags/b/x.yml": text, "tags/y.yml": text, "tags/1/2/3/4/z.yml": text})
    assert wrong.value.lines == (
        "tags/1/2/3/4/z.yml: tag: the name 'x' and the file's name differ; make them the same",
        "tags/1/2/3/4/z.yml: lies 4 folders deep; categories have at most 3 levels",
        "tags/a/x.yml: tag: the name 'x' is taken by tags/1/2/3/4/z.yml",
        "tags/b/x.yml: tag: the name 'x' is taken by tags/1/2/3/4/z.yml",
        "tags/y.yml: tag: the name 'x' is taken by tags/1/2/3/4/z.yml",
        "tags/y.yml: tag: the name 'x' and the file's name differ; make them the same",
    )


def test_two_tags_cannot_give_one_column() -> None:
    rfm = "model: rfm\nfrom: transaction\nrecency: ordered_at\nfrequency: count(*)\nmonetary: sum(amount)\ncases: [{value: a, when: r = 5}]\n"
    with pytest.raises(DefinitionError) as wrong:
        parse_tags({**file(rfm, "rfm"), **file(SPEND, "rfm_monetary"), **file(SPEND, "as_of")})
    assert wrong.value.lines == (
        "tags/as_of.yml: tag: the name 'as_of' is a column that every profile has",
        "tags/rfm_monetary.yml: tag: its column 'rfm_monetary' is also one of 'rfm'",
    )


def test_a_circle_is_told_with_its_path() -> None:
    files = {
        **file("select: b + 1\n", "a", purposes=False),
        **file("select: c + 1\n", "b", purposes=False),
        **file("select: a + 1\n", "c", purposes=False),
        **file("select: a + 2\n", "d", purposes=False),
    }
    with pytest.raises(DefinitionError) as wrong:
        parse_tags(files)
    assert wrong.value.lines == ("tags/a.yml: is built on itself: a -> b -> c -> a",)


def test_purposes_and_sensitivity_come_through_every_derivation() -> None:
    files = {
        **{p: t.replace("[marketing]", "[marketing, service]") for p, t in file(SPEND, "spend").items()},
        **{
            p: t.replace("[marketing]", "[service]")
            for p, t in file("from: customer\nselect: income\n", "income").items()
        },
        **file("cases: [{value: 'yes', when: income is not null and spend > 3}]\n", "rich", purposes=False),
        **file("select: rich = 'yes'\n", "very_rich", purposes=False),
    }
    tags = parse_tags(files)
    assert [(name, tag.purposes, tag.sensitivity) for name, tag in sorted(tags.items())] == [
        ("income", ("service",), "sensitive"),
        ("rich", ("service",), "sensitive"),
        ("spend", ("marketing", "service"), "normal"),
        ("very_rich", ("service",), "sensitive"),
    ]
    # however a name is written: Spark does not tell INCOME from income
    for body in ("select: VERY_RICH\n", "select: if(`Very_Rich`, 1, 0)\n", "cases: [{value: a, when: Very_Rich}]\n"):
        with pytest.raises(DefinitionError) as wrong:
            parse_tags({**files, **file(body, "x")})
        assert wrong.value.lines == ("tags/x.yml: purposes: marketing, which 'very_rich' may not be used for",)
    # and however much is written around it
    long = f"very_rich or '{'x' * 6000}' = 'y'"
    stages = f'model: lifecycle\nstages: [{{value: a, when: spend > 1}}, {{value: b, when: "{long}"}}]\n'
    life = parse_tags({**files, **file(stages, "life", purposes=False)})["life"]
    assert (life.depends_on, life.purposes, life.sensitivity) == (("spend", "very_rich"), ("service",), "sensitive")
    with pytest.raises(DefinitionError) as unknown:
        check_purposes(tags, {"marketing": 1, "servis": 2})
    assert (
        unknown.value.lines[0]
        == "tags/income.yml: purposes: no purpose 'service' in conf/privacy.yml; did you mean 'servis'?"
    )


@pytest.mark.parametrize(
    "body",
    [
        "from: enrichment\npreference: {of: provider, weight: \"cast(attributes['income'] as int)\"}\n",
        "from: enrichment\nmodel: rfm\nrecency: observed_at\nfrequency: count(*)\n"
        "monetary: max(cast(attributes['income'] as int))\ncases: [{value: a, when: r > 1}]\n",
        "from: enrichment\nwhere: attributes['pet'] = 'cat'\nselect: count(*)\n",
    ],
)
def test_whatever_a_tag_reads_of_what_is_sensitive_makes_it_sensitive(body: str) -> None:
    assert parse_tags(file(body))["x"].sensitivity == "sensitive"


OF_CUSTOMER, OF_WEB = "from: customer\nselect: ", "from: web_event\nselect: "
CONTACTS = "with a as (select customer_id, cast(phone as bigint) as p, length(email) as l, email from {contact})"
# A body whose value tells the text or digits of what is personal, and the like of it that does not.
TOLD: list[tuple[str, str]] = [
    (OF_CUSTOMER + "cast(phone as bigint)", OF_CUSTOMER + "length(phone)"),
    (OF_CUSTOMER + "xxhash64(email)", OF_CUSTOMER + "if(email like '%@x.org', 1, 0)"),
    (OF_CUSTOMER + "cast(regexp_extract(street, '([0-9]+)', 1) as int)", OF_CUSTOMER + "size(split(full_name, ' '))"),
    (OF_CUSTOMER + "case when gender is null then cast(right(phone, 3) as int) else 1 end", OF_CUSTOMER + "case when right(phone, 3) = '110' then 2 else 1 end"),
    (OF_CUSTOMER + "postal_code\ntype: enum\nvalues: ['10115']", OF_CUSTOMER + "if(postal_code like '10%', 'near', 'far')\ntype: enum\nvalues: [near, far]"),
    (OF_CUSTOMER + "datediff(as_of, birth_date)", OF_CUSTOMER + "floor(datediff(as_of, birth_date) / 365.25)"),
    (OF_CUSTOMER + "months_between(as_of, birth_date)", OF_CUSTOMER + "cast(months_between(as_of, birth_date) / 12 as int)"),
    (OF_CUSTOMER + "year(birth_date) * 10000 + month(birth_date) * 100 + day(birth_date)", OF_CUSTOMER + "month(birth_date)"),
    (OF_WEB + "max(cast(regexp_extract(url, 'p=([0-9]+)', 1) as int))", OF_WEB + "count(distinct device_id)"),
    (OF_WEB + "sum(crc32(ip))", OF_WEB + "sum(length(query)) filter (where ip = '1')"),
    ("sql: select customer_id, max(cast(phone as bigint)) as value from {contact} group by customer_id", "sql: select customer_id, count(email) as value from {contact} group by customer_id"),
    (f"sql: {CONTACTS} select b.customer_id, sum(b.p) + 1 as value from a b group by b.customer_id", f"sql: {CONTACTS} select customer_id, count(distinct p) + max(l) as value from a group by customer_id"),
    ("sql: select customer_id, max(n) as value from (select customer_id, 1 as n from {transaction} union all select customer_id, crc32(email) as x from {contact}) u group by customer_id", "sql: select c.customer_id, count(t.order_id) as value from {contact} c join {transaction} t on c.customer_id = t.customer_id and c.source = t.source group by c.customer_id"),
    ("select: digits + 1", "select: if(digits > 3, 1, 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "silent"), TOLD)
def test_what_tells_the_text_or_digits_of_something_personal_is_personal(told: str, silent: str) -> None:
    """Not a count, a length, a comparison or an age: these are many people's."""
    digits = file(OF_CUSTOMER + "cast(phone as bigint)\n", "digits")
    found = [parse_tags({**digits, **file(body + "\n")})["x"].sensitivity for body in (told, silent)]
    assert found == ["personal", "normal"]


def test_the_hash_changes_with_the_meaning_alone() -> None:
    def hashes(body: str, title: str = "A tag") -> tuple[str, str]:
        files = {place: text.replace("A tag", title) for place, text in file(body, "a").items()}
        tags = parse_tags({**files, **file("select: a + 1\n", "b", purposes=False)})
        return tags["a"].definition_hash, meaning(tags["b"], tags)

    plain = hashes(SPEND)
    assert plain == hashes("select: sum(amount)\nwindow: 30d\nfrom: transaction\n", "Another title")
    changed = hashes(SPEND.replace("30d", "31d"))
    assert changed[0] != plain[0]
    # a model on b is fitted again when a changes
    assert changed[1] != plain[1]


def test_types_are_found_where_they_are_not_written() -> None:
    bodies = {
        "a": SPEND,
        "b": "from: transaction\nselect: count(*)\n",
        "c": "from: transaction\nselect: max(category)\n",
        "d": "from: transaction\nselect: min(event_date)\n",
        "e": "from: transaction\nselect: max(ordered_at)\n",
        "f": "from: transaction\nselect: bool_or(coupon is not null)\n",
        "g": "from: transaction\npreference: {of: category}\n",
        "h": "from: transaction\nlast: channel\n",
    }
    tags = parse_tags({place: text for name, body in bodies.items() for place, text in file(body, name).items()})
    assert [tags[name].type for name in sorted(bodies)] == [
        "number", "integer", "text", "date", "timestamp", "boolean", "list", "text",
    ]  # fmt: skip
