"""The references that a user supplies: what is wrong with them is told line by line, and rates hold until the next."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from jobs.runtime.configuration import load_configuration
from tests.end_to_end.project import KEYS, ROOT
from transforms.errors import DefinitionError
from transforms.sources.standard.divisions import parse_divisions
from transforms.sources.standard.rates import Rate, parse_rates, spans

RATES = """date,currency,rate
2026-01-02,USD,0.85
2026-01-05,USD,0.86
2026-01-03,GBP,1.15
"""


def test_a_rate_holds_until_the_day_before_the_next() -> None:
    rates = parse_rates(RATES, place="rates.csv", base_currency="EUR")
    assert rates[0] == Rate("GBP", date(2026, 1, 3), Decimal("1.15"))
    assert list(spans(rates)) == [
        ("GBP", date(2026, 1, 3), date(2026, 1, 5), Decimal("1.15")),
        ("USD", date(2026, 1, 2), date(2026, 1, 4), Decimal("0.85")),
        ("USD", date(2026, 1, 5), date(2026, 1, 5), Decimal("0.86")),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "rates.csv:1: the header is empty; it must be date,currency,rate"),
        ("day,currency,rate\n", "rates.csv:1: the header is day,currency,rate; it must be date,currency,rate"),
        ("date,currency,rate\n", "rates.csv: no rate in it; give at least one"),
        (RATES + "2026-01-02,USD,0.9\n", "rates.csv:5: a second rate of USD for 2026-01-02; keep one line"),
        (RATES + "2026-02-30,USD,1\n", "rates.csv:5: date '2026-02-30' is no day such as 2026-01-31"),
        (RATES + "2026-01-06,usd,1\n", "rates.csv:5: currency 'usd' is no ISO 4217 code such as GBP"),
        (RATES + "2026-01-06,USD,-1\n", "rates.csv:5: rate '-1' is no number above 0 such as 1.1732"),
        (RATES + "2026-01-06,USD,nan\n", "rates.csv:5: rate 'nan' is no number above 0 such as 1.1732"),
        (RATES + '2026-01-06,USD,"1,2"\n', "rates.csv:5: rate '1,2' is no number above 0 such as 1.1732"),
        (RATES + "2026-01-06,USD\n", "rates.csv:5: 2 values instead of 3 (date,currency,rate)"),
        (RATES + "2026-01-06,EUR,1\n", "rates.csv:5: EUR is the base currency and needs no rate; remove the line"),
    ],
)
def test_mistakes_in_rates_are_named(text: str, told: str) -> None:
    with pytest.raises(DefinitionError) as error:
        parse_rates(text, place="rates.csv", base_currency="EUR")
    assert len(error.value.lines) == 1
    assert error.value.lines[0].startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kode,name\n", "d.csv:1: no columns code and name in the header; write: code,name"),
        ("code,name\n11,北京市\n", "d.csv:2: code: '11' is no GB/T 2260 code of six digits"),
        ("code,name\n110000,\n", "d.csv:2: name: empty; give the division's name"),
        ("adcode,name\n110000,北京市\n110000000000,北京\n", "d.csv:3: adcode: 110000 is given twice; keep one line"),
        ("code,name\n110101,东城区\n", "d.csv: no division of a province (a code that ends on 0000); add them"),
    ],
)
def test_mistakes_in_divisions_are_named(text: str, told: str) -> None:
    with pytest.raises(DefinitionError) as error:
        parse_divisions(text, place="d.csv")
    assert list(error.value.lines) == [told]


def test_references_are_part_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for name in ("conf", "tag_definitions"):
        (tmp_path / name).symlink_to(ROOT / name)
    conf = tmp_path / "own"
    conf.mkdir()
    for file in (ROOT / "conf").iterdir():
        (conf / file.name).symlink_to(file)
    pipeline = (conf / "pipeline.yml").read_text()
    (conf / "pipeline.yml").unlink()
    (conf / "pipeline.yml").write_text(pipeline + "currency_rates: own/rates.csv\ndivisions: own/divisions.csv\n")
    with pytest.raises(DefinitionError) as missing:
        load_configuration(conf)
    assert [line.split(": ")[0] for line in missing.value.lines] == ["own/rates.csv", "own/divisions.csv"]
    (conf / "rates.csv").write_text(RATES.replace("USD", "EUR"))  # the demo's base currency is the dollar
    (conf / "divisions.csv").write_text("code,name\n110000,北京市\n")
    before = load_configuration(conf)
    assert [rate.currency for rate in before.rates] == ["EUR", "EUR", "GBP"]
    (conf / "rates.csv").write_text(RATES.replace("USD", "EUR").replace("0.86", "0.87"))
    assert load_configuration(conf).hash != before.hash
