"""What a column's texts are: e-mails, phones, times, numbers, …: told from the values alone."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from transforms.sources.infer.numbers import Numbers, numbers
from transforms.sources.infer.sample import Field
from transforms.sources.infer.times import Times, epoch, times

LEAST_SHARE = 0.9
_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?=(?:\D*\d){7,15}\D*$)\+?[\d\s()./-]{7,22}(?: ?(?:x|ext\.?) ?\d{1,5})?")
_URL = re.compile(r"https?://\S+|/[\w%./~-]*(?:\?\S*)?")
_IP = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?=.*:.*:)[0-9a-fA-F:]{3,39}")
_AGENT = re.compile(r"(?:Mozilla|Opera|curl|okhttp|Dalvik|python-requests)/.*")
_HANDLE = re.compile(r"@\w{2,30}")
_LIST = re.compile(r"\[.*\]", re.DOTALL)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_TRUE = "true t yes y 1 ja j oui o si sí sim s on 是 有 已同意 同意"
_FALSE = "false f no n 0 nein non não nao off 否 无 不同意 拒绝"
_BY_ITSELF = "true t yes y 1 false f no n 0"


@dataclass(frozen=True)
class Look:
    """What a field's values are. `kinds`: each kind that fits -> the share of values it fits."""

    field: Field
    kinds: dict[str, float]
    times: Times | None
    epoch: Times | None
    numbers: Numbers | None

    @property
    def is_empty(self) -> bool:
        return not self.field.given


def look(field: Field) -> Look:
    """Every kind of value that at least nine in ten of a field's texts are."""
    texts = field.looked_at
    if not texts:
        return Look(field, {}, None, None, None)
    kinds = {name: share for name, fits in _tests().items() if (share := _share(texts, fits)) >= LEAST_SHARE}
    found_times, found_epoch, found_numbers = times(texts), epoch(texts), numbers(texts)
    if found_times:
        kinds["time"] = found_times.share
    if found_numbers:
        kinds["number"] = found_numbers.share
        if found_numbers.whole:
            kinds["whole"] = found_numbers.share
    lower = {text.lower() for text in texts}
    true, false = set(_TRUE.split()), set(_FALSE.split())
    if lower <= true | false and (len(lower & true), len(lower & false)) in ((1, 1), (1, 0), (0, 1)):
        kinds["boolean"] = 1.0
    return Look(field, kinds, found_times, found_epoch, found_numbers)


def boolean_expression(field: Field) -> str:
    """True or false from the words of a field; the bare field where a cast knows them."""
    words = sorted({text.lower() for text in field.distinct})
    if set(words) <= set(_BY_ITSELF.split()):
        return field.reference
    cases = " ".join(f"when '{word}' then {'true' if word in _TRUE.split() else 'false'}" for word in words)
    return f"case lower({field.reference}) {cases} end"


def is_chinese(texts: Sequence[str]) -> bool:
    """Is most of it written in Chinese characters?"""
    return bool(texts) and _share(texts, lambda text: bool(_HAN.search(text))) > 0.5


def _share(texts: Sequence[str], fits: Callable[[str], bool]) -> float:
    return sum(1 for text in texts if fits(text)) / len(texts)


def _has_shape(shape: re.Pattern[str], text: str) -> bool:
    return bool(shape.fullmatch(text))


@cache
def _tests() -> dict[str, Callable[[str], bool]]:
    currencies = currency_codes()
    shapes = {
        "email": _EMAIL, "phone": _PHONE, "url": _URL, "ip": _IP, "agent": _AGENT, "handle": _HANDLE, "list": _LIST,
    }  # fmt: skip
    return {
        **{name: partial(_has_shape, shape) for name, shape in shapes.items()},
        "currency": lambda text: text.upper() in currencies,
    }


@cache
def currency_codes() -> frozenset[str]:
    """ISO 4217."""
    import pycountry

    return frozenset(currency.alpha_3 for currency in pycountry.currencies)
