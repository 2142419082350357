"""A line of the YAML for each canonical column: taken from a raw one, made of others, or left open with the reason."""

import re
from collections.abc import Iterator, Sequence

from transforms.schemas import Column, Entity
from transforms.sources.definition import ACCESS_LOG_COLUMNS
from transforms.sources.infer import keys
from transforms.sources.infer.lines import Known, Line
from transforms.sources.infer.matching import UNSURE, Guess, Match
from transforms.sources.infer.names import NAMES, likeness, words
from transforms.sources.infer.sample import Field, Sample
from transforms.sources.infer.values import Look, boolean_expression, currency_codes, is_chinese

LOCAL, TOLD = "local time", "its own offset"
_CODE = re.compile(r"(?<![A-Z])[A-Z]{3}(?![A-Z])")
_SYMBOLS = {"€": "EUR", "£": "GBP", "₽": "RUB", "₹": "INR", "₩": "KRW", "元": "CNY", "zł": "PLN", "R$": "BRL",
            "$": "USD"}  # fmt: skip
_STATUSES = {
    "purchase": "purchase purchased sale sold order ordered paid complete completed shipped delivered fulfilled closed "
    "invoice debit done success successful bezahlt verkauf vente vendu "
    "已完成 完成 已付款 已支付 已发货 已签收 交易成功 成功 销售",
    "refund": "refund refunded return returned credit rückgabe retoure gutschrift remboursement avoir devolución "
    "退款 已退款 退货 已退货",
    "cancelled": "cancelled canceled cancel void voided storno storniert annulé annulée cancelado "
    "取消 已取消 已关闭 交易关闭 关闭 作废",
}
_WORDS = {
    "event": {
        "sent": "sent delivered send deliver mailed 已发送 发送", "open": "open opened view viewed 打开",
        "click": "click clicked 点击", "bounce": "bounce bounced hard_bounce soft_bounce 退信",
        "unsubscribe": "unsubscribe unsubscribed optout opt_out 退订",
        "convert": "convert converted conversion redeem redeemed purchase 转化",
    },
    "action": {
        "post": "post posted tweet published status 发布", "like": "like liked favorite favourite 点赞",
        "share": "share shared retweet repost forward 转发 分享",
        "comment": "comment commented reply replied 评论 回复",
        "follow": "follow followed subscribe 关注",
    },
    "status": _STATUSES,
}  # fmt: skip


def lines(best: Guess, looks: Sequence[Look], known: Known, sample: Sample, *, zoned: bool) -> Iterator[Line]:
    """The entity's columns, in its order. `zoned`: some times of the extract tell no offset."""
    for column in best.entity.columns:
        match = best.matches.get(column.name)
        if match:
            yield _taken(best, match, zoned)
        elif (column.required or column.name in best.entity.key) and not _by_itself(best.entity, column.name, sample):
            yield _only_time(best, column, looks, zoned) or _made(best, column, looks, known, sample)


def _by_itself(entity: Entity, column: str, sample: Sample) -> bool:
    """Does the pipeline tell it, whatever the source says?"""
    if column == entity.ranked or (entity.name, column) == ("transaction", "status"):
        return True
    return sample.format == "access_log" and column in (*ACCESS_LOG_COLUMNS, "event_id")


def _taken(best: Guess, match: Match, zoned: bool) -> Line:
    column, look = match.column, match.look
    expression, doubt, note = converted(column, look, zoned=zoned)
    if column.name in _WORDS and best.entity.name in ("campaign_event", "social_activity", "transaction"):
        expression, doubt = _by_words(look.field, _WORDS[column.name])
    reasons = [doubt] if doubt else []
    if match.score < UNSURE:
        by_name = likeness(look.field.name, NAMES.get(column.name, ""))
        reasons.insert(0, f"a guess by {'a part of its name' if by_name else 'its values'}")
    if column.name in best.entity.key:
        reasons += keys.doubts(best, match)
    return Line(column.name, expression, "; ".join(reasons), note, (look.field,))


def _only_time(best: Guess, column: Column, looks: Sequence[Look], zoned: bool) -> Line | None:
    """The entity's time, whatever it is called, where the extract has a single one and nothing else takes it."""
    taken = {match.look.field.name for match in best.matches.values()}
    found = [look for look in looks if (look.times or look.epoch) and look.field.name not in taken]
    if column.name != best.entity.time or len(found) != 1:
        return None
    expression, doubt, note = converted(column, found[0], zoned=zoned)
    reasons = "; ".join(part for part in ("the only time that there is", doubt) if part)
    return Line(column.name, expression, reasons, note, (found[0].field,))


def event_type() -> Line:
    """What a hit of an access log was, by usual addresses."""
    kinds = {"product": "^/(product|item|p)/", "search": "^/search", "cart": "^/(cart|basket)",
             "checkout": "^/checkout", "login": "^/(login|signin)"}  # fmt: skip
    cases = " ".join(f"when url rlike '{pattern}' then '{kind}'" for kind, pattern in kinds.items())
    return Line("event_type", f"case {cases} else 'view' end", "usual addresses; say what this site's are")


def converted(column: Column, look: Look, *, zoned: bool) -> tuple[str, str, str]:
    """A raw field as a column's type: the expression, why it is not sure, and for a time how it tells its zone."""
    reference, kind = look.field.reference, column.type.partition("(")[0].partition("<")[0]
    if kind in ("timestamp", "date"):
        times = look.times or look.epoch
        if times is None:
            return reference, "its values are no dates that are known here", ""
        doubt = "; ".join(part for part in (times.doubt, _share(times.share, "dates", column)) if part)
        if times.epoch:
            doubt = f"{times.epoch} since 1970, by their size"
        note = "" if kind == "date" else TOLD if times.offset else LOCAL if times.has_time else ""
        return times.expression(reference, as_date=kind == "date", zoned=zoned), doubt, note
    if kind in ("decimal", "double", "int", "bigint") and look.numbers:
        numbers = look.numbers
        expression = numbers.expression(reference)
        if kind in ("int", "bigint") and numbers.as_float:
            expression = f"cast({expression} as double)"
        doubt = "; ".join(part for part in (numbers.doubt, _share(numbers.share, "numbers", column)) if part)
        return expression, doubt, ""
    if kind == "boolean":
        return boolean_expression(look.field), "", ""
    if kind in ("array", "map"):
        return f"from_json({reference}, '{column.type}')", "", ""
    if look.numbers and look.numbers.as_float and column.name.endswith(("_id", "_no", "postal_code")):
        return f"cast(cast({reference} as double) as bigint)", "", ""
    return reference, "", ""


def _share(share: float, what: str, column: Column) -> str:
    """What becomes of values that cannot be read."""
    fate = "their rows will be quarantined" if column.required else "they will be NULL"
    return "" if share == 1 else f"{1 - share:.1%} of the values are no {what} in this form: {fate}"


def _by_words(field: Field, meanings: dict[str, str]) -> tuple[str, str]:
    """A source's own words for the ones that an entity allows."""
    known = {word: meaning for meaning, words in meanings.items() for word in words.split()}
    found = {text.lower(): known.get(text.lower()) for text in field.distinct}
    unknown = [word for word, meaning in found.items() if meaning is None]
    if not unknown and all(word == meaning for word, meaning in found.items()):
        return field.reference, ""
    plain = {word: meaning for word, meaning in found.items() if meaning and "'" not in word}
    shown = ", ".join(sorted(unknown)[:8]) + (", …" if len(unknown) > 8 else "")
    doubt = f"say what these mean ({', '.join(meanings)}): {shown}" if unknown else ""
    if not plain:
        return field.reference, doubt
    cases = " ".join(f"when '{word}' then '{meaning}'" for word, meaning in sorted(plain.items()))
    return f"case lower({field.reference}) {cases} end", doubt


def _made(best: Guess, column: Column, looks: Sequence[Look], known: Known, sample: Sample) -> Line:
    """A required column that no raw one gives: made of others, a constant, or NULL with what that means."""
    has = best.matches.keys()
    match column.name:
        case "quantity":
            return Line("quantity", "1", "no column with a quantity found: one piece a row")
        case "amount_local" if "unit_price" in has:
            doubt = "no column with an amount found: the quantity times the unit price"
            return Line("amount_local", "quantity * unit_price", doubt, needs=frozenset({"quantity", "unit_price"}))
        case "currency":
            return Line("currency", *_currency(looks, known))
        case "attributes":
            return _attributes(best, looks)
        case "purpose":
            return Line("purpose", "'marketing'", "no column with a purpose found: what was agreed to?")
        case name if name in best.entity.key:
            return keys.made_key(best, column.name, looks, sample)
    near = ", ".join(item.field.name for item in looks if _could_be(column, item))
    hint = f"; perhaps {near}" if near else ""
    return Line(
        column.name, f"cast(null as {column.type})",
        f"REQUIRED and not found{hint}; until it says where it comes from, every row is quarantined",
    )  # fmt: skip


def _attributes(best: Guess, looks: Sequence[Look]) -> Line:
    """All that is not something else, by name."""
    taken = {match.look.field.name for match in best.matches.values()}
    facts = [item.field for item in looks if not item.is_empty and item.field.name not in taken and not item.times]
    pairs = ", ".join(f"'{words(field.name).replace(' ', '_')}', {field.reference}" for field in facts)
    doubt = "every column that is nothing else is taken for a fact; leave out what identifies a person"
    return Line("attributes", f"map({pairs})" if facts else "cast(null as map<string,string>)", doubt, "", tuple(facts))


def _could_be(column: Column, look: Look) -> bool:
    if column.type in ("timestamp", "date"):
        return bool(look.times or look.epoch)
    return bool(look.numbers) and not look.epoch if column.type.startswith("decimal") else False


def _currency(looks: Sequence[Look], known: Known) -> tuple[str, str]:
    """A constant currency: by the signs beside the amounts, a column's name, the project's own, or the language."""
    money = [look for look in looks if look.numbers]
    texts = [text for look in money if look.numbers and look.numbers.dressed for text in look.field.looked_at[:50]]
    signs = {next((code for sign, code in _SYMBOLS.items() if sign in text), "") for text in texts}
    codes = {code for text in (*texts, *(look.field.name for look in money)) for code in _CODE.findall(text)}
    found = sorted((signs | (codes & currency_codes())) - {""})
    if len(found) == 1:
        return f"'{found[0]}'", "by what stands beside the amounts"
    if known.currency:
        return f"'{known.currency}'", "no column with a currency found: the project's base currency"
    if is_chinese([look.field.name for look in looks]):
        return "'CNY'", "no column with a currency found: by the language of the columns"
    return "'EUR'", "no column with a currency found: write the one that is charged"
