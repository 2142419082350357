"""Currency rates as the user supplies them: read, checked, and laid over the days they hold for."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import groupby
from typing import NamedTuple

from transforms.errors import DefinitionError

# Times decimal(18,4) it fits 38 digits exactly, so that rounding happens once.
DIGITS, DECIMALS = 19, 11
_HEADER = ["date", "currency", "rate"]
_LARGEST = Decimal(10) ** (DIGITS - DECIMALS)
_STEP = Decimal(1).scaleb(-DECIMALS)


class Rate(NamedTuple):
    """The base currency for one unit of `currency`, from `day` on until a later rate."""

    currency: str
    day: date
    rate: Decimal


def parse_rates(text: str, *, place: str, base_currency: str) -> tuple[Rate, ...]:
    """Rates from CSV with the columns date, currency, rate. Sorted by currency and day.

    Raises DefinitionError with a line for each mistake: place, line, what is wrong.
    """
    rows = csv.reader(io.StringIO(text))
    header = [name.strip().lower() for name in next(rows, [])]
    if header != _HEADER:
        raise DefinitionError(f"{place}:1: the header is {','.join(header) or 'empty'}; it must be date,currency,rate")
    found: dict[tuple[str, date], Rate] = {}
    problems = list(_read(rows, found, place, base_currency))
    if problems or not found:
        raise DefinitionError(*problems or [f"{place}: no rate in it; give at least one"])
    return tuple(sorted(found.values()))


def _read(
    rows: Iterable[Sequence[str]], found: dict[tuple[str, date], Rate], place: str, base_currency: str
) -> Iterator[str]:
    for number, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            rate = _rate(row)
            if rate.currency == base_currency:
                raise ValueError(f"{base_currency} is the base currency and needs no rate; remove the line")
            if (rate.currency, rate.day) in found:
                raise ValueError(f"a second rate of {rate.currency} for {rate.day}; keep one line")
        except ValueError as error:
            yield f"{place}:{number}: {error}"
        else:
            found[rate.currency, rate.day] = rate


def _rate(row: Sequence[str]) -> Rate:
    """Raises ValueError saying what is wrong."""
    if len(row) != len(_HEADER):
        raise ValueError(f"{len(row)} values instead of 3 (date,currency,rate)")
    day, currency, rate = (cell.strip() for cell in row)
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise ValueError(f"currency '{currency}' is no ISO 4217 code such as GBP")
    try:
        since = date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"date '{day}' is no day such as 2026-01-31") from None
    try:
        value = Decimal(rate)
        fits = value.is_finite() and 0 < value < _LARGEST
    except InvalidOperation:
        fits = False
    if not fits or (exact := value.quantize(_STEP, ROUND_HALF_UP)) == 0:
        raise ValueError(f"rate '{rate}' is no number above 0 such as 1.1732, the base currency for one {currency}")
    return Rate(currency, since, exact)


def spans(rates: Sequence[Rate]) -> Iterator[tuple[str, date, date, Decimal]]:
    """Each rate with the first and the last day that it is the last known one of, up to the last day of all rates.

    `rates`: sorted, as `parse_rates` gives them. After the last day of all the last rates go on holding.
    """
    end = max(rate.day for rate in rates)
    for currency, group in groupby(rates, key=lambda rate: rate.currency):
        own = list(group)
        for rate, after in zip(own, [*own[1:], None], strict=True):
            yield currency, rate.day, after.day - timedelta(days=1) if after else end, rate.rate
