"""URLs: their standard form, and the path and the query in them. Column -> Column rules."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

# scheme, who logs in, host (in brackets: IPv6), port, the rest
_WEB = r"(?i)^(https?)://([^/?#@]*@)?(\[[^\]/?#]*\]|[^/?#:@\[\]]*)(?::(\d*))?([/?#].*)?$"
# RFC 3986, appendix B: an authority stands after two slashes, whatever the scheme
_AUTHORITY = r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*"
_PATH = rf"(?:{_AUTHORITY})?([^?#]*)"
_QUERY = r"^[^?#]*\?([^#]*)"
# mailto:, javascript:, data:, tel: … name no place on a site
_NO_PLACE = r"^[A-Za-z][A-Za-z0-9+.-]*:(?!//)"


def url(value: SparkColumn) -> SparkColumn:
    """Scheme and host in lower case, without the scheme's own port. Anything else, parameters too, as it is."""
    scheme, user, host, port, rest = (F.regexp_extract(value, _WEB, group) for group in range(1, 6))
    own = F.when(F.lower(scheme) == "http", "80").otherwise("443")
    shown = F.when((port == "") | (port == own), "").otherwise(F.concat(F.lit(":"), port))
    whole = F.concat(F.lower(scheme), F.lit("://"), user, F.lower(host), shown, rest)
    return F.when(value.rlike(_WEB), whole).otherwise(value)


def path(value: SparkColumn) -> SparkColumn:
    """The path of a URL, whole or without a host, as it is written; `/` for that of a host alone."""
    found = F.regexp_extract(value, _PATH, 1)
    return F.when(
        ~value.rlike(_NO_PLACE),
        F.when((found == "") & value.rlike(_AUTHORITY), "/").otherwise(F.nullif(found, F.lit(""))),
    )


def query(value: SparkColumn) -> SparkColumn:
    """What stands between `?` and `#`, as it is written: decoded, its values could not be told apart any more."""
    return F.when(~value.rlike(_NO_PLACE), F.nullif(F.regexp_extract(value, _QUERY, 1), F.lit("")))


def readable(value: SparkColumn) -> SparkColumn:
    """A path with its percent-escapes decoded once, as UTF-8: `/caf%C3%A9` is `/café`.

    As it is where that would say something else or nothing: an escaped slash, percent sign or control character,
    or bytes that are no UTF-8.
    """
    # to the decoder, made for forms, a plus is a blank
    decoded = F.try_url_decode(F.replace(value, F.lit("+"), F.lit("%2B")))
    safe = ~value.rlike("(?i)%(?:2f|25|5c|0|1|7f)") & ~decoded.contains("\ufffd")
    return F.when(value.contains("%") & safe, decoded).otherwise(value)
