"""Whether the times that an expression gives are local to their source, or tell their place on the time line."""

import re

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

_QUOTED_IN_PATTERN = re.compile(r"'[^']*'")
# In a pattern of to_timestamp these letters mean that the text itself tells its offset from UTC,
_OFFSET_IN_PATTERN = re.compile(r"(?:yy|HH|hh).*[XxZzOV]")
# and so does the letter Z behind the time, that the pattern has as it stands.
_ZULU_IN_PATTERN = re.compile(r"(?:HH|hh).*'Z'$")
# What these give has a place on the time line whatever the zone.
_FROM_EPOCH = re.compile(r"(?i)\b(?:timestamp_(?:seconds|millis|micros)|from_unixtime)\b")


def is_local(text: str, zone: str) -> bool:
    """Does an expression (of Spark SQL) of a source in that zone give times by the clocks there?

    Not where the zone is UTC, nor where it reads times by a pattern that holds their offset, or from seconds since
    1970. Whether a text that it gives tells an offset of its own shows in the text alone.
    """
    return zone != "UTC" and not _FROM_EPOCH.search(text) and not any(map(_tells_offset, _texts_in(text)))


def _texts_in(text: str) -> list[str]:
    # tokens, because a parse turns the patterns of dates into those of another language
    try:
        tokens = sqlglot.tokenize(text, read="spark")
    except SqlglotError:
        return []
    return [token.text for token in tokens if token.token_type == TokenType.STRING]


def _tells_offset(pattern: str) -> bool:
    bare = _QUOTED_IN_PATTERN.sub("", pattern)
    return bool(_OFFSET_IN_PATTERN.search(bare) or _ZULU_IN_PATTERN.search(pattern))
