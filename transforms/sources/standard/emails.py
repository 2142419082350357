"""E-mail addresses: as mail is sent to them, and as the mailbox behind them is known by."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from transforms.sources.standard.answers import REMEMBERED

_LONGEST = 320
# Blanks, and marks that nobody sees, which forms and spreadsheets leave in addresses.
_UNSEEN = re.compile(r"[\s\u00ad\u200b-\u200f\u2060\ufeff]+")
# What email-validator, which knows the rest, would give back as it is: most addresses.
_PLAIN = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!(?:arpa|invalid|local|localhost|onion|test)$)[a-z]{2,63}"
)
_GOOGLE = ("gmail.com", "googlemail.com")
# Providers that deliver what is written to name+anything to name, at these domains of theirs:
# Google    https://support.google.com/a/users/answer/9282734
# Microsoft https://learn.microsoft.com/exchange/recipients-in-exchange-online/plus-addressing-in-exchange-online
# Apple     https://support.apple.com/guide/icloud/mm6b1a490a/icloud (plus addresses in Mail rules)
# Proton    https://proton.me/support/addresses-and-aliases
# Fastmail  https://www.fastmail.help/hc/en-us/articles/360060591053
# Not here: Yahoo (its disposable addresses have a hyphen and a name of their own), GMX, web.de, QQ, 163 and all others.
_PLUS = frozenset(
    (
        *_GOOGLE, "outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com",
        "proton.me", "protonmail.com", "pm.me", "fastmail.com", "fastmail.fm",
    )
)  # fmt: skip


@lru_cache(REMEMBERED)
def address(text: str | None) -> str | None:
    """An e-mail address as mail is sent to it: lower case, narrow letters, the domain as it is read; else None.

    `mailto:` and a name around the address (`Ann <ann@x.org>`) go. Nothing is looked up on the network.
    """
    if not text or len(text) > _LONGEST:
        return None
    written = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).lower().removeprefix("mailto:")
    if written.endswith(">") and written.count("<") == 1:
        written = written[written.index("<") + 1 : -1]
    local, _, _ = written.partition("@")
    if len(local) <= 64 and len(written) <= 254 and "--" not in written and _PLAIN.fullmatch(written):
        return written
    return _checked(written)


def _checked(written: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(written, check_deliverability=False).normalized.lower()
    except (EmailNotValidError, ValueError):  # ValueError: of the codecs, on texts that are no Unicode
        return None
    # a lower-cased letter may have come apart (İ): one form, whatever it came from
    return unicodedata.normalize("NFKC", checked)


@lru_cache(REMEMBERED)
def mailbox(text: str | None) -> str | None:
    """The mailbox that an address reaches, by which its owner is known: of Google's addresses without dots, and
    without what follows a plus where the provider ignores it. Anything else is the address itself."""
    written = address(text)
    if written is None:
        return None
    local, _, domain = written.rpartition("@")
    if domain in _PLUS and not local.startswith("+"):
        local = local.partition("+")[0]
    if domain in _GOOGLE:
        local, domain = local.replace(".", ""), _GOOGLE[0]
    return f"{local}@{domain}"


def mailboxes(texts: Sequence[str | None] | None) -> list[str]:
    """The mailboxes of several addresses, sorted and each once."""
    return sorted({found for text in texts or () if (found := mailbox(text))})
