"""The portrait of each segment: of each tag the value that tells most, with share, index, interval and words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.insight.counted import Codes, Grouped
from transforms.insight.protection import suppressed
from transforms.insight.shares import Shares, compare_shares
from transforms.insight.significance import false_discovery, share_test
from transforms.insight.words import Trait, description, sentence


@dataclass(frozen=True)
class Compared:
    """One tag over all segments: arrays groups × segments, and the known of each segment."""

    tag: str
    grouped: Grouped
    counts: NDArray[np.int64]
    known: NDArray[np.int64]
    shares: Shares
    p: NDArray[np.float64]
    hidden: NDArray[np.bool_]
    few: NDArray[np.bool_]  # the segments of which so few are known that their number is not told


def compared(tag: str, found: Grouped, segment: Codes, segments: int, *, smallest_group: int) -> Compared:
    """A tag's groups in each segment against everyone, whether in a segment or not."""
    counts, known = found.counts(segment, segments)
    base = np.bincount(found.codes, minlength=len(found.labels))
    base_known = int(found.known.sum())
    arguments = (counts, known, base[:, None], base_known)
    hidden = suppressed(_with_the_rest(found, counts, known, base, base_known), smallest=smallest_group)
    return Compared(
        tag, found, counts, known, compare_shares(*arguments), share_test(*arguments),
        hidden[: len(found.labels), :segments], (known > 0) & (known < smallest_group),
    )  # fmt: skip


def _with_the_rest(
    found: Grouped, counts: NDArray[np.int64], known: NDArray[np.int64], base: NDArray[np.int64], base_known: int
) -> NDArray[np.int64]:
    """The table whose sums can be known: with those in no segment, and, of single values, those in no group."""
    table = np.column_stack([counts, base - counts.sum(axis=1)])
    if found.is_list:
        return table
    sums = np.append(known, base_known - known.sum())
    return np.vstack([table, sums - table.sum(axis=0)])


def portraits(
    tags: Sequence[Compared], segments: Sequence[str], sizes: Sequence[int], *, customers: int,
    titles: Mapping[str, tuple[str, str]], segment: Codes,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The rows of gold/segment_profile of one segmentation, without its name and date. Grain: segment × tag, and one
    of the segment as a whole (tag None). `titles`: tag -> English and Chinese; `sizes`, `customers`: exact counts.

    Of each tag the value is told that is surest to differ. False discoveries are counted over all tags, values and
    segments that were compared, so that choosing the strongest does not make chance look like a finding.
    """
    ends = np.cumsum([one.p.size for one in tags])
    rates = false_discovery(np.concatenate([one.p.ravel() for one in tags])) if tags else np.array([])
    adjusted = [rate.reshape(one.p.shape) for rate, one in zip(np.split(rates, ends[:-1]), tags, strict=False)]
    for place, name in enumerate(segments):
        rows = [_row(one, rate, place, titles[one.tag]) for one, rate in zip(tags, adjusted, strict=True)]
        share = sizes[place] / customers
        english, chinese = description(sizes[place], share, [trait for trait, _ in rows])
        whole = {"segment": name, "size": sizes[place], "share": share, "count": sizes[place]}
        yield whole | {"sentence_en": english, "sentence_zh": chinese}
        for (trait, row), one in zip(rows, tags, strict=True):
            english, chinese = sentence(trait)
            medians = _medians(one.grouped, segment == place) if row["count"] else {}
            yield {
                "segment": name,
                "size": sizes[place],
                **row,
                **medians,
                "sentence_en": english,
                "sentence_zh": chinese,
            }


def _row(
    one: Compared, rates: NDArray[np.float64], place: int, titles: tuple[str, str]
) -> tuple[Trait, dict[str, Any]]:
    best = _surest(one, rates, place)
    hidden = bool(one.hidden[best, place])

    def told(values: NDArray[np.float64]) -> float | None:
        value = float(values[best, place])
        return None if hidden or np.isnan(value) else round(value, 6)

    found = one.shares
    figures = [told(part) for part in (found.share, found.base_share, found.index, found.low, found.high, rates)]
    trait = Trait(one.tag, *titles, one.grouped.labels[best], *figures)
    row = {
        "tag": one.tag, "value": trait.value, "known": None if one.few[place] else int(one.known[place]),
        "count": None if hidden else int(one.counts[best, place]), "share": trait.share,
        "base_share": trait.base_share, "index": trait.index, "low": trait.low, "high": trait.high,
        "false_discovery": trait.false_discovery,
    }  # fmt: skip
    return trait, row


def _surest(one: Compared, rates: NDArray[np.float64], place: int) -> int:
    """The group to tell of: not hidden, least likely chance, then the one that there is more of, then the first."""
    index = np.nan_to_num(one.shares.index[:, place], nan=100.0)
    order = sorted(
        range(len(one.grouped.labels)),
        key=lambda at: (bool(one.hidden[at, place]), round(float(rates[at, place]), 12), -index[at], at),
    )
    return order[0]


def _medians(found: Grouped, inside: NDArray[np.bool_]) -> dict[str, float]:
    if found.numbers is None:
        return {}
    mine, base = found.numbers[inside & found.known], found.numbers[found.known]
    return {"median": float(np.median(mine)), "base_median": float(np.median(base))}
