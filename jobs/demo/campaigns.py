"""Reference extracts (products, campaigns) and the events of the package's campaigns: sent, and coupon redeemed."""

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from jobs.demo.chance import Ints, generator
from jobs.demo.crm import delimited
from jobs.demo.damage import Damage, damaged, put, too_long, too_short, twice
from jobs.demo.files import append, place, write_gz
from jobs.demo.purchases import LAST_DAY, Purchases, read_package
from jobs.demo.shoppers import Shoppers
from jobs.demo.truth import Truth

HEADER = ("event_id", "campaign_id", "card_no", "channel", "event", "at")
DAMAGES = (
    Damage("exact_duplicate", 0.01, twice),
    Damage("missing_key", 0.006, put(b",", 0, (b"",))),
    Damage("wrong_date", 0.006, put(b",", 5, (b"0000-00-00", b"2017-11-31T09:00:00", b"", b"tomorrow"))),
    Damage("unknown_event", 0.003, put(b",", 4, (b"snet", b"?"))),
    Damage("too_few_columns", 0.003, too_short(b",")),
    Damage("too_many_columns", 0.002, too_long(b",")),
)
_REFERENCE_DAMAGES = (
    Damage("exact_duplicate", 0.002, twice),
    Damage("missing_key", 0.001, put(b",", 0, (b"",))),
    Damage("too_few_columns", 0.001, too_short(b",")),
)


def write_reference(folder: Path, night: date, *, seed: int, truth: Truth) -> None:
    """The products and the campaigns as they are. What a campaign cost is not known."""
    products = read_package("products")
    text = pa.BufferOutputStream()
    pcsv.write_csv(products, text, pcsv.WriteOptions(include_header=False, quoting_style="none"))
    lines = text.getvalue().to_pybytes().splitlines()
    _write_reference(folder, night, "products", tuple(products.column_names), lines, seed, truth)
    header = ("campaign_id", "name", "campaign_type", "channel", "start_date", "end_date")
    campaigns = [
        (str(row["campaign_id"]), f"Campaign {row['campaign_id']}", row["campaign_type"], "mail", *_span(row))
        for row in read_package("campaign_descriptions").to_pylist()
    ]
    _write_reference(folder, night, "campaigns", header, delimited(campaigns, ","), seed, truth)


def _span(campaign: dict[str, datetime]) -> tuple[str, str]:
    return str(campaign["start_date"].date()), str(campaign["end_date"].date())


def _write_reference(
    folder: Path, night: date, system: str, header: tuple[str, ...], lines: list[bytes], seed: int, truth: Truth
) -> None:
    spoilt, counts = damaged(lines, _REFERENCE_DAMAGES, generator(seed, system))
    truth.spoilt(system, night, counts)
    append(place(folder, system, night, f"{system}.csv"), spoilt, header=",".join(header).encode())


class Campaigning:
    """The package's campaign events by business day: campaign, household, event, second of the day."""

    def __init__(self, purchases: Purchases) -> None:
        self.households = set(np.unique(purchases.household).tolist())
        redemptions = read_package("coupon_redemptions").to_pylist()
        self.visits = _visits(purchases, [row["household_id"] for row in redemptions])
        self.by_day: dict[date, list[tuple[str, int, int, str, datetime]]] = {}
        starts = {row["campaign_id"]: row["start_date"] for row in read_package("campaign_descriptions").to_pylist()}
        for row in read_package("campaigns").to_pylist():
            minute = (row["household_id"] * 7) % 120
            sent = starts[row["campaign_id"]] + timedelta(hours=9, minutes=minute)
            self._add(f"S{row['campaign_id']}-{row['household_id']}", row, "sent", sent)
        for number, row in enumerate(redemptions):
            self._add(f"R{number + 1}", row, "convert", self._redeemed(row["household_id"], row["redemption_date"]))

    def _redeemed(self, household: int, day: datetime) -> datetime:
        """When the household was at a till that day; noon where no receipt tells."""
        at = self.visits.get((household, day.date()))
        return at or day + timedelta(hours=12)

    def _add(self, event_id: str, row: dict[str, int], event: str, at: datetime) -> None:
        if row["household_id"] in self.households and at.date() <= LAST_DAY:
            self.by_day.setdefault(at.date(), []).append((event_id, row["campaign_id"], row["household_id"], event, at))

    def write_day(self, folder: Path, day: date, copies: list[Shoppers], *, seed: int) -> Counter[str]:
        """One day's file with the events of all copies."""
        lines = [line for shoppers in copies for line in delimited(self._rows(day, shoppers), ",")]
        spoilt, counts = damaged(lines, DAMAGES, generator(seed, "campaign damage", day))
        write_gz(place(folder, "campaign_events", day, "events.csv.gz"), [",".join(HEADER).encode(), *spoilt])
        return counts

    def _rows(self, day: date, shoppers: Shoppers) -> list[tuple[str, ...]]:
        events = sorted(self.by_day[day], key=lambda event: (event[4], event[0]))
        return [
            (
                f"{shoppers.copy}-{key}",
                str(campaign),
                _card(shoppers, household),
                _CHANNELS[event],
                event,
                at.isoformat(),
            )
            for key, campaign, household, event, at in events
        ]


_CHANNELS = {"sent": "mail", "convert": "store"}


def _card(shoppers: Shoppers, household: int) -> str:
    """The card that the household is known by: its first shopper's, or the next one's."""
    first = int(shoppers.first[household])
    size = int((shoppers.up_to[household] < 1).sum()) + 1
    cards = [card for card in shoppers.card[first : first + size].tolist() if card]
    return str(cards[0]) if cards else ""


def _visits(purchases: Purchases, households: list[int]) -> dict[tuple[int, date], datetime]:
    """The first receipt of each of the households on a day."""
    lines = np.flatnonzero(np.isin(purchases.household, households))
    household, sold_at = purchases.household[lines], purchases.sold_at[lines]
    key: Ints = household * 100_000 + sold_at.astype("datetime64[D]").astype(np.int64)
    _, first = np.unique(key, return_index=True)
    times = pa.array(sold_at[first]).to_pylist()
    return {(int(number), at.date()): at for number, at in zip(household[first], times, strict=True)}
