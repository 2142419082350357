"""Chinese names: family name first, of one character or a known pair."""

import re

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_WRITTEN = re.compile(rf"(?:{_HAN.pattern}|[\s·•])+")
_EAST_ASIAN = re.compile(rf"{_HAN.pattern}|[\u3040-\u30ff\u31f0-\u31ff\uac00-\ud7af]")
_ELSEWHERE = frozenset(("JP", "KR", "KP", "VN"))
# The family names of the Hundred Family Surnames (百家姓), and those among today's commonest that it lacks.
_SINGLE = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方"
    "俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧"
    "计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫"
    "经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀羊於惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓"
    "牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘钭厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲邰从鄂索咸籍赖卓蔺屠蒙"
    "池乔阴郁胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍却璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容"
    "向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾毋沙乜养鞠须丰"
    "巢关蒯相查后荆红游竺权逯盖益桓公肖代付覃闫涂卿苟展仝邸岳帅兰佟楚原尧仉佘佴伯赏墨哈谯笪年爱阳区冼岑揭粟植祖青官"
)
_DOUBLE = frozenset(
    (
        "万俟", "司马", "上官", "欧阳", "夏侯", "诸葛", "闻人", "东方", "赫连", "皇甫", "尉迟", "公羊",
        "澹台", "公冶", "宗政", "濮阳", "淳于", "单于", "太叔", "申屠", "公孙", "仲孙", "轩辕", "令狐",
        "钟离", "宇文", "长孙", "慕容", "鲜于", "闾丘", "司徒", "司空", "亓官", "司寇", "仉督", "子车",
        "颛孙", "端木", "巫马", "公西", "漆雕", "乐正", "壤驷", "公良", "拓跋", "夹谷", "宰父", "谷梁",
        "段干", "百里", "东郭", "南门", "呼延", "归海", "羊舌", "微生", "梁丘", "左丘", "东门", "西门",
        "南宫", "独孤",
    )
)  # fmt: skip


def is_chinese(text: str, country: str | None) -> bool:
    """Is the name written in Chinese characters alone, by someone who does not live where others use them too?"""
    return bool(_HAN.search(text)) and bool(_WRITTEN.fullmatch(text)) and country not in _ELSEWHERE


def is_east_asian(text: str) -> bool:
    """Is any of it written in Chinese characters, kana or hangul?"""
    return bool(_EAST_ASIAN.search(text))


def name(full: str | None, given: str | None, family: str | None) -> tuple[str | None, str | None, str | None]:
    """Whole, given and family name. What is given stays; the rest is filled where it is certain."""
    whole, first, last = (_joined(part) for part in (full, given, family))
    if first and last:
        return whole or last + first, first, last
    told_family, told_given = split(full) if full else (None, None)
    if whole and last:  # the source says which the family name is
        told_given = whole.removeprefix(last) if whole.startswith(last) and whole != last else None
    elif whole and first:  # the rest is a family name where it is known as one: the whole may be a longer given name
        rest = whole.removesuffix(first) if whole.endswith(first) else ""
        told_family = rest if rest in _SINGLE or rest in _DOUBLE else None
    return whole, first or told_given, last or told_family


def split(full: str) -> tuple[str | None, str | None]:
    """Family and given name of a whole name; a blank between them tells, else known family names do."""
    words = full.split()
    if len(words) == 2 and (words[0] in _SINGLE or words[0] in _DOUBLE):
        return words[0], words[1]
    whole = "".join(words)
    if not _HAN.fullmatch(whole[:1]) or "·" in whole or "•" in whole:
        return None, None
    if whole[:2] in _DOUBLE:
        # of two characters it may be either a pair alone or a family and a given name
        return (whole[:2], whole[2:]) if len(whole) in (3, 4) else (None, None)
    return (whole[0], whole[1:]) if whole[0] in _SINGLE and len(whole) in (2, 3) else (None, None)


def _joined(part: str | None) -> str | None:
    return "".join(part.split()) if part else None
