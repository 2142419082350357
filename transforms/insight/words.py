"""What sets a segment apart, in a sentence of English and of Chinese."""

from collections.abc import Sequence
from dataclasses import dataclass

# A rate of false discoveries at which a difference is believed, and the share below which it is no mark of a group.
BELIEVED = 0.05
TELLING_SHARE = 0.1
_YES_NO = {"true": ("yes", "是"), "false": ("no", "否")}


@dataclass(frozen=True)
class Trait:
    """One tag of a segment. `share`, …: None where too few customers stand behind it to be told."""

    tag: str
    title_en: str
    title_zh: str
    value: str
    share: float | None
    base_share: float | None
    index: float | None
    low: float | None
    high: float | None
    false_discovery: float | None

    @property
    def told_apart(self) -> bool:
        """Is it more than chance?"""
        return self.index is not None and (self.false_discovery or 0.0) <= BELIEVED

    @property
    def above(self) -> bool:
        """A mark of the segment: told apart, more of it than elsewhere, and held by more than a few."""
        return self.told_apart and (self.low or 0) > 100 and (self.share or 0) >= TELLING_SHARE

    @property
    def below(self) -> bool:
        """What it has clearly less of, though many others have it."""
        high = self.high if self.high is not None else 100
        return self.told_apart and high < 100 and (self.base_share or 0) >= TELLING_SHARE


def sentence(trait: Trait) -> tuple[str, str]:
    """A trait in English and Chinese."""
    en, zh = _YES_NO.get(trait.value, (trait.value, trait.value))
    if trait.index is None or trait.share is None or trait.base_share is None:
        return f"{trait.title_en}: too few customers to be told.", f"{trait.title_zh}：人数过少，不予显示。"
    told = (
        f"{trait.share:.0%}",
        f"{trait.base_share:.0%}",
        f"{trait.index:.0f}",
        f"{trait.low:.0f}",
        f"{trait.high:.0f}",
    )
    english = "{} against {} of everyone (index {}, 95 % interval {} to {})".format(*told)
    chinese = "占 {}，总体为 {}（指数 {}，95% 区间 {} 至 {}）".format(*told)
    doubt = ("", "") if trait.told_apart else ("; may be chance", "；可能出于偶然")
    return f"{trait.title_en}, {en}: {english}{doubt[0]}.", f"{trait.title_zh}，{zh}：{chinese}{doubt[1]}。"


def strongest(traits: Sequence[Trait], *, above: int, below: int) -> tuple[list[Trait], list[Trait]]:
    """The traits that mark a segment, and those that it lacks, the clearest first.

    The clearest are those whose interval lies furthest from 100, so that a rare thing of a few does not come first. Of
    tags that say the same (spend in a year and spend ever, of whoever came this year) one is told.
    """
    more = sorted((trait for trait in traits if trait.above), key=lambda t: (-(t.low or 0), t.tag))
    less = sorted((trait for trait in traits if trait.below), key=lambda t: (t.high or 0, t.tag))
    return _unlike(more)[:above], _unlike(less)[:below]


def _unlike(traits: Sequence[Trait]) -> list[Trait]:
    seen = {(round(t.share or 0, 2), round(t.base_share or 0, 2)): t for t in reversed(traits)}
    return [trait for trait in traits if trait in seen.values()]


def description(size: int, share: float, traits: Sequence[Trait]) -> tuple[str, str]:
    """A segment in English and Chinese: how many, what it has most more of than everyone, what least."""
    above, below = strongest(traits, above=3, below=2)
    english = [f"{size:,} customers, {share:.1%} of everyone."]
    chinese = [f"{size:,} 位客户，占总体 {share:.1%}。"]
    for found, en, zh in ((above, "More than others", "高于总体"), (below, "Less than others", "低于总体")):
        if found:
            english.append(f"{en}: {'; '.join(_short(t, 0) for t in found)}.")
            chinese.append(f"{zh}：{'；'.join(_short(t, 1) for t in found)}。")
    if not above and not below:
        english.append("Nothing sets them apart from everyone.")
        chinese.append("与总体无明显差异。")
    return " ".join(english), "".join(chinese)


def _short(trait: Trait, language: int) -> str:
    value = _YES_NO.get(trait.value, (trait.value, trait.value))[language]
    title = (trait.title_en, trait.title_zh)[language]
    return f"{title} {value} ({trait.share:.0%}, index {trait.index:.0f})" if language == 0 else (
        f"{title} {value}（{trait.share:.0%}，指数 {trait.index:.0f}）"
    )  # fmt: skip
