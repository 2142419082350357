"""How a column writes numbers, and the expression that reads them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# the name must say so too, so that some that are none do not matter
LEAST_SHARE = 0.8
_MONEY = r"(?:[A-Z]{3}|R\$|US\$|[$€£¥￥₹₽₩元]|kr|zł|CHF)"
_DRESS = re.compile(rf"^\(?\s*[+-]?\s*{_MONEY}?\s*[+-]?\s*(?P<digits>[\d.,'’\s\u00a0\u202f]*\d)\s*{_MONEY}?\s*-?\)?$")
_PLAIN = re.compile(r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?$")
_GROUPED_COMMA = re.compile(r"^\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
_GROUPED_POINT = re.compile(r"^\d{1,3}(?:\.\d{3})+(?:,\d+)?$")
_GROUPED_BLANK = re.compile(r"^\d{1,3}(?:['’\s\u00a0\u202f]\d{3})*(?:[.,]\d+)?$")
_COMMA = re.compile(r"^\d+,\d+$")


@dataclass(frozen=True)
class Numbers:
    """How numbers are written. `mark`: what stands before the decimals; `dressed`: more than digits and that mark.

    `whole`: no value has decimals but zeros. `as_float`: whole numbers that came through a float (17850.0).
    """

    mark: str
    dressed: bool
    whole: bool
    share: float
    brackets: bool = False
    as_float: bool = False
    doubt: str = ""

    def expression(self, reference: str) -> str:
        """The number as an expression over the column; the bare column where it converts by itself."""
        if not self.dressed and self.mark == ".":
            return reference
        if self.mark == "." and not self.brackets:
            return f"regexp_replace({reference}, '[^0-9.-]', '')"
        kept = "0-9,-" if self.mark == "," else "0-9.-"
        digits = f"regexp_replace({reference}, '[^{kept}]', '')" if self.dressed else reference
        text = f"replace({digits}, ',', '.')" if self.mark == "," else digits
        return f"case when {reference} like '(%' then concat('-', {text}) else {text} end" if self.brackets else text


def numbers(texts: Sequence[str]) -> Numbers | None:
    """How the texts write numbers; None where fewer than four in five are any."""
    if not texts:
        return None
    plain = [text for text in texts if _PLAIN.match(text)]
    if len(plain) >= LEAST_SHARE * len(texts):
        return _plain(plain, len(plain) / len(texts))
    digits = [(text, match["digits"].strip()) for text in texts if (match := _DRESS.match(text))]
    if len(digits) < LEAST_SHARE * len(texts):
        return None
    bare = [written for _, written in digits]
    share = len(digits) / len(texts)
    brackets = any(text.startswith("(") for text, _ in digits)
    trailing = any(text.endswith("-") for text, _ in digits)
    found = _mark(bare)
    if found is None or trailing:
        return None
    mark, doubt = found
    dressed = any(not re.fullmatch(rf"[+-]?[\d{re.escape(mark)}]+", text) for text, _ in digits)
    whole = not any(mark in written for written in bare)
    return Numbers(mark, dressed, whole, share, brackets, doubt=doubt)


def _plain(texts: Sequence[str], share: float) -> Numbers:
    whole = all(re.fullmatch(r"[+-]?\d+(?:\.0*)?", text) for text in texts)
    as_float = whole and all("." in text for text in texts)
    grouped = len(texts) > 1 and all(re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", text) for text in texts)
    doubt = "every value has a point and three digits: if that is a thousands separator, take it out" if grouped else ""
    return Numbers(".", False, whole, share, as_float=as_float, doubt=doubt)


def _mark(written: Sequence[str]) -> tuple[str, str] | None:
    """The decimal mark, and why that is not sure; None where the texts contradict each other."""
    comma = sum(1 for text in written if _COMMA.match(text) and not _GROUPED_COMMA.match(text))
    comma += sum(1 for text in written if _GROUPED_POINT.match(text) and "," in text)
    point = sum(1 for text in written if re.fullmatch(r"\d+\.\d+", text) and not _GROUPED_POINT.match(text))
    point += sum(1 for text in written if _GROUPED_COMMA.match(text) and ("." in text or text.count(",") > 1))
    thousand_points = sum(1 for text in written if _GROUPED_POINT.match(text) and text.count(".") > 1)
    comma += thousand_points
    if not all(_readable(text) for text in written):
        return None
    if comma > point:
        return ",", f"{point} values have a decimal point instead" if point else ""
    if point > comma:
        return ".", f"{comma} values have a decimal comma instead" if comma else ""
    if any("," in text for text in written):
        return ".", "the comma is taken for a thousands separator (1,234 = 1234); it may be a decimal comma"
    return ".", "the point is taken for a decimal point; it may part thousands" if any(
        "." in text for text in written
    ) else ""


def _readable(text: str) -> bool:
    forms = (_GROUPED_COMMA, _GROUPED_POINT, _GROUPED_BLANK, _COMMA)
    return bool(re.fullmatch(r"\d+(?:\.\d+)?", text) or any(form.match(text) for form in forms))
