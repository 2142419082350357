"""How people can be reached: e-mail addresses and telephone numbers that nobody shares by chance."""

from jobs.demo.chance import scattered

# Domains that are reserved for examples (RFC 2606): no demo may ever write to a stranger.
_DOMAINS = ("example.com", "example.net", "example.org", "mail.example.com", "post.example.net", "web.example.org")
PLACEHOLDER_EMAILS = (
    "info@example.com", "noreply@example.com", "no-reply@example.org", "test@example.com", "none@example.com",
    "unknown@example.net",
)  # fmt: skip
PLACEHOLDER_PHONES = ("0000000000", "1111111111", "999-999-9999", "1234567890", "n/a", "unknown")
_AREAS = (
    "614",
    "513",
    "937",
    "740",
    "330",
    "419",
    "216",
    "859",
    "502",
    "606",
    "317",
    "765",
    "812",
    "304",
    "412",
    "734",
)
_PREFIXES = {
    "DE": ("151", "152", "157", "159", "170", "176"),
    "FR": ("61", "62", "66", "67", "68"),
    "ES": ("61", "62", "63", "65", "66", "67"),
    "CN": ("135", "136", "137", "138", "139", "150", "158", "159", "186", "188"),
}
_CODES = {"US": "+1", "DE": "+49", "FR": "+33", "ES": "+34", "CN": "+86"}
_TRUNK = {"US": "", "DE": "0", "FR": "0", "ES": "", "CN": ""}


def email(given: str, family: str, number: int, style: int) -> str:
    """An address of the person `number`; each style gives another one. The names are romanised."""
    local = (
        f"{given}.{family}{number}",
        f"{given[:1]}{family}{number}",
        f"{given}{number}",
        f"{family}.{given}.{number}",
    )[style % 4]
    return f"{local}@{_DOMAINS[(number + style) % len(_DOMAINS)]}"


def phone(country: str, number: int) -> str:
    """A mobile number in E.164, valid in its country, and another one for each number below 8 million."""
    if country == "US":
        subscriber = 2_000_000 + scattered(number, 8_000_000)
        return f"+1{_AREAS[number % len(_AREAS)]}{subscriber}"
    prefixes = _PREFIXES[country]
    digits = 7 if country in ("FR", "ES") else 8
    return f"{_CODES[country]}{prefixes[number % len(prefixes)]}{scattered(number, 10**digits):0{digits}d}"


def till_phone(copy: int, till: int) -> str:
    """The number that clerks of a shop type for customers who give none. No customer's area code is 380."""
    return f"+1380555{100 + 2 * copy + till:04d}"


def written(phone: str, country: str, style: float) -> str:
    """A number the way people and systems write it; `style` in [0, 1) picks one of the ways."""
    national = phone.removeprefix(_CODES[country])
    if phone.startswith("+1") and country == "US":
        area, exchange, line = national[:3], national[3:6], national[6:]
        ways = (
            f"({area}) {exchange}-{line}",
            f"{area}-{exchange}-{line}",
            national,
            f"+1 {area} {exchange} {line}",
            phone,
        )
    elif national == phone:  # a number of another country is always written with its code
        ways = (phone, phone, phone, phone, phone)
    else:
        split = f"{national[:3]} {national[3:6]} {national[6:]}"
        ways = (f"{_CODES[country]} {split}", phone, phone, _TRUNK[country] + split, _TRUNK[country] + national)
    return ways[int(style * len(ways))]
