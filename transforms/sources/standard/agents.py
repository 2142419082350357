"""What a user agent tells of device, system and browser."""

import re
from functools import lru_cache
from typing import NamedTuple

_LONGEST = 512  # what follows tells nothing more, and takes long to look through
_BOT = re.compile(
    r"(?i)bot|crawl|spider|slurp|curl|wget|python-requests|headless|monitor|facebookexternalhit|feedfetcher"
)
_TABLET = re.compile(r"iPad|Tablet|Kindle|Silk/|Android(?!.*Mobi)")
_MOBILE = re.compile(r"Mobi|iPhone|iPod|Android|Opera Mini|Windows Phone|BlackBerry|Symbian|Nokia|J2ME|MIDP")
_DESKTOP = re.compile(r"Windows|Macintosh|X11|Linux|CrOS")
_SYSTEMS = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}
_LINUX = frozenset(("Ubuntu", "Debian", "Fedora", "CentOS", "Red Hat", "Arch Linux", "SUSE", "Linux Mint", "Gentoo"))
# The same browser on a telephone goes by other names.
_BROWSERS = (
    ("Chrome Mobile", "Chrome"), ("Mobile Safari", "Safari"), ("Firefox", "Firefox"), ("Edge", "Edge"),
    ("Opera", "Opera"), ("IE Mobile", "IE"),
)  # fmt: skip
AGENT = "os string, browser string, device_type string, is_bot boolean"


class Agent(NamedTuple):
    """As `AGENT`; None where the text does not tell."""

    os: str | None
    browser: str | None
    device_type: str | None
    is_bot: bool | None


@lru_cache(1 << 14)
def agent(text: str | None) -> Agent:
    """System, browser and device (mobile, tablet, desktop or bot) of a user agent, by ua-parser and what it lacks."""
    if not text:
        return Agent(None, None, None, None)
    import ua_parser

    text = text[:_LONGEST]
    read = ua_parser.parse(text)
    system = read.os.family if read.os else None
    browser = read.user_agent.family if read.user_agent else None
    is_bot = bool(_BOT.search(text)) or bool(read.device and read.device.family == "Spider")
    return Agent(
        "Linux" if system in _LINUX else _SYSTEMS.get(system or "", system),
        next((name for start, name in _BROWSERS if browser and browser.startswith(start)), browser),
        "bot" if is_bot else _device(text),
        is_bot,
    )


def _device(text: str) -> str | None:
    kinds = ((_TABLET, "tablet"), (_MOBILE, "mobile"), (_DESKTOP, "desktop"))
    return next((kind for pattern, kind in kinds if pattern.search(text)), None)
