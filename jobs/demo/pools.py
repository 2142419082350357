"""Names, streets and places to combine, a pool for each language. Faker makes them once; combining is cheap."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from faker import Faker

_SIZE = 320
_PLACES = 90
# Faker has no romanised form of the names that it makes, and addresses of mail need one.
_CHINESE_FAMILIES = (
    "王 wang 李 li 张 zhang 刘 liu 陈 chen 杨 yang 赵 zhao 黄 huang 周 zhou 吴 wu 徐 xu 孙 sun 胡 hu 朱 zhu "
    "高 gao 林 lin 何 he 郭 guo 马 ma 罗 luo 梁 liang 宋 song 郑 zheng 谢 xie 韩 han 唐 tang 冯 feng 于 yu "
    "董 dong 萧 xiao 程 cheng 曹 cao 袁 yuan 邓 deng 许 xu 傅 fu 沈 shen 曾 zeng 彭 peng 吕 lü 苏 su 卢 lu "
    "蒋 jiang 蔡 cai 欧阳 ouyang 司马 sima"
)
_CHINESE_WOMEN = (
    "芳 fang 娜 na 敏 min 静 jing 丽 li 艳 yan 娟 juan 霞 xia 婷 ting 雪 xue 慧 hui 莉 li 玲 ling 桂英 guiying "
    "秀兰 xiulan 玉兰 yulan 晓燕 xiaoyan 雅婷 yating 欣怡 xinyi 梓涵 zihan 诗涵 shihan 思雨 siyu 佳怡 jiayi "
    "美玲 meiling 雨桐 yutong 嘉欣 jiaxin"
)
_CHINESE_MEN = (
    "伟 wei 强 qiang 磊 lei 军 jun 勇 yong 杰 jie 涛 tao 明 ming 超 chao 刚 gang 平 ping 辉 hui 鹏 peng "
    "建国 jianguo 建华 jianhua 志强 zhiqiang 浩然 haoran 子轩 zixuan 宇航 yuhang 俊杰 junjie 文博 wenbo "
    "天佑 tianyou 一鸣 yiming 嘉豪 jiahao 梓豪 zihao 晓东 xiaodong"
)
_FOLDED = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "ł": "l"}


@dataclass(frozen=True)
class Place:
    """A town with its postal code and its state or province."""

    city: str
    postal_code: str
    state: str


@dataclass(frozen=True)
class Pool:
    """What people of one language are made of. Names stand beside their form in a mail address."""

    language: str
    country: str
    women: list[tuple[str, str]]
    men: list[tuple[str, str]]
    families: list[tuple[str, str]]
    streets: list[str]
    places: list[Place]
    titles: tuple[str, str]


# language, country, Faker's locale, how to address a woman and a man
_LOCALES = (
    ("en", "US", "en_US", ("Ms.", "Mr.")),
    ("zh", "CN", "zh_CN", ("女士", "先生")),
    ("de", "DE", "de_DE", ("Frau", "Herr")),
    ("fr", "FR", "fr_FR", ("Mme", "M.")),
    ("es", "ES", "es_ES", ("Sra.", "Sr.")),
)
SHARES = (0.66, 0.14, 0.07, 0.06, 0.07)


def make_pools(seed: int) -> list[Pool]:
    """The pools of all languages, the same for the same seed."""
    return [_pool(seed, *locale) for locale in _LOCALES]


def _pool(seed: int, language: str, country: str, locale: str, titles: tuple[str, str]) -> Pool:
    fake = Faker(locale)
    fake.seed_instance(seed)
    women = _drawn(fake.first_name_female) if language != "zh" else _given(_CHINESE_WOMEN)
    men = _drawn(fake.first_name_male) if language != "zh" else _given(_CHINESE_MEN)
    families = _drawn(fake.last_name) if language != "zh" else _pairs(_CHINESE_FAMILIES)
    streets = [" ".join(fake.street_address().split()) for _ in range(_SIZE)]
    places = [_place(fake, language) for _ in range(_PLACES)]
    return Pool(language, country, women, men, families, streets, places, titles)


def _drawn(draw: Callable[[], str]) -> list[tuple[str, str]]:
    names = sorted({draw() for _ in range(_SIZE)})
    return [(name, romanised(name)) for name in names]


def _pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return [(name, romanised(roman)) for name, roman in zip(words[::2], words[1::2], strict=True)]


def _given(text: str) -> list[tuple[str, str]]:
    """The given names of the text, and every two of one syllable together: 婷 and 雪 give 婷雪."""
    names = _pairs(text)
    short = [pair for pair in names if len(pair[0]) == 1]
    return names + [(a + b, x + y) for a, x in short for b, y in short if a != b]


def _place(fake: Faker, language: str) -> Place:
    if language == "en":
        state = fake.state_abbr(include_territories=False, include_freely_associated_states=False)
        return Place(fake.city(), fake.postcode_in_state(state), state)
    state = {"zh": "province", "fr": "region", "es": "autonomous_community"}.get(language, "state")
    return Place(fake.city(), fake.postcode(), getattr(fake, state)())


def romanised(name: str) -> str:
    """A name as it stands in a mail address: lower case, a to z."""
    plain = "".join(_FOLDED.get(letter, letter) for letter in name.lower())
    return re.sub("[^a-z]", "", unicodedata.normalize("NFKD", plain))
