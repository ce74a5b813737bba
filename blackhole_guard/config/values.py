"""Scalars: what the text of a value means where the schema says what it is.

Durations `4h`, `1h30m`, `300`; sizes `64MiB`; booleans; whole numbers; addresses and blocks. Each parser takes the text
as it was written and raises ValueProblem with what is wrong and how to mend it.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from blackhole_guard.config.problems import ValueProblem, quote

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(
    r"(?:([0-9]{1,10})w)?(?:([0-9]{1,10})d)?(?:([0-9]{1,10})h)?(?:([0-9]{1,10})m)?(?:([0-9]{1,10})s)?", re.I
)
_OCTETS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE = re.compile(r"([0-9]{1,15}) ?([A-Za-z]*)")


def parse_boolean(text: str) -> bool:
    """Read true/false, yes/no, on/off in any case."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueProblem(f"`{quote(text)}` is neither true nor false", "write `true` or `false`")
    return value


def parse_number(text: str) -> int:
    """Read a whole number in decimal, without sign or leading zeros."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueProblem(f"`{quote(text)}` is no whole number", "write digits only")
    if len(text) > 1 and text.startswith("0"):
        raise ValueProblem(f"`{text}` begins with a zero", f"write `{int(text)}`; numbers are decimal")
    return int(text)


def parse_duration(text: str) -> int:
    """Read seconds, or weeks, days, hours, minutes and seconds with their letters in this order; returns seconds."""
    if text.isascii() and text.isdigit():
        return parse_number(text)
    match = _DURATION.fullmatch(text)
    if not match or not text:
        hint = "write seconds, or `30s`, `5m`, `4h`, `2d`, `1w`, or several such as `1h30m`"
        raise ValueProblem(f"`{quote(text)}` is no duration", hint)
    return sum(int(count) * unit for count, unit in zip(match.groups(), _SECONDS.values(), strict=True) if count)


def format_duration(seconds: int) -> str:
    """Write seconds as `parse_duration` reads them, with the letters where they are shorter: 5400 gives `1h30m`."""
    text, rest = "", seconds
    for letter, unit in _SECONDS.items():
        count, rest = divmod(rest, unit)
        text += f"{count}{letter}" if count else ""
    return text or "0s"


def parse_size(text: str) -> int:
    """Read octets, or KiB, MiB, GiB (1024) and kB, MB, GB (1000); returns octets."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueProblem(f"`{quote(text)}` is no size", "write octets, or a number with `KiB`, `MiB` or `GiB`")
    unit = next((octets for name, octets in _OCTETS.items() if name.lower() == match[2].lower()), None)
    if unit is None:
        raise ValueProblem(
            f"`{quote(text)}` has a unit that is not known", "the units are B, KiB, MiB, GiB, kB, MB, GB"
        )
    return parse_number(match[1]) * unit


def check_range(number: int, low: int | None, high: int | None, unit: str = "") -> int:
    """Hold a number against the bounds of its field; `unit` follows the bounds in the message."""
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueProblem(f"{number} is out of range", f"the least is {low or 0}, the most {high}{unit}")
    return number


def parse_address(text: str) -> Address:
    """Read a whole IPv4 address in canonical form, or an IPv6 one in any form of RFC 4291 section 2.2."""
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ValueProblem(*explain_address(text)) from error
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueProblem(f"`{quote(text)}` names an interface", f"write `{quote(text.partition('%')[0])}`")
        if address.ipv4_mapped is not None:
            raise ValueProblem(f"`{quote(text)}` is an IPv4 address in IPv6 clothes", f"write `{address.ipv4_mapped}`")
    return address


_DOTTED = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){1,7}")


def explain_address(text: str) -> tuple[str, str]:
    """Say why text is no address: what is wrong, and how to mend it."""
    shown = quote(text)
    stripped = text.strip()
    if stripped != text and stripped:
        return f"`{shown}` has blanks around it", f"write `{quote(stripped)}`"
    if _DOTTED.fullmatch(text):
        octets = text.split(".")
        if len(octets) != 4:
            return f"`{shown}` has {len(octets)} octets", "an IPv4 address has four"
        if any(int(octet) > 255 for octet in octets):
            return f"`{shown}` has an octet above 255", "octets go from 0 to 255"
        plain = ".".join(str(int(octet)) for octet in octets)
        return f"`{shown}` has a leading zero, which some programs read as octal", f"write `{plain}`"
    if "/" in text:
        return f"`{shown}` is a block, not an address", "write one address"
    if ":" in text:
        return (
            f"`{shown}` is no IPv6 address",
            "it has eight groups of up to four hex digits, one run of zero groups as `::`",
        )
    return f"`{shown}` is no address", "write an IPv4 or IPv6 address"


def parse_block(text: str) -> Block:
    """Read a block in CIDR form, exact: nothing is set behind the prefix, and the prefix is not 0."""
    base, slash, length = text.partition("/")
    address = parse_address(base)
    if not slash:
        hint = f"write `{quote(text)}/{address.max_prefixlen}`" + _wider(address)
        raise ValueProblem(f"`{quote(text)}` has no prefix length", hint)
    if not (length.isascii() and length.isdigit() and len(length) <= 3 and int(length) <= address.max_prefixlen):
        what = f"`/{quote(length)}` is no prefix length"
        raise ValueProblem(what, f"write a number from 1 to {address.max_prefixlen}")
    if len(length) > 1 and length.startswith("0"):
        raise ValueProblem(f"`/{length}` begins with a zero", f"write `/{int(length)}`")
    if int(length) == 0:
        raise ValueProblem(f"`{quote(text)}` is the whole address space", "name the blocks that you use")
    block = ip_network(f"{address}/{int(length)}", strict=False)
    if block.network_address != address:
        what = f"`{quote(text)}` has bits set behind its prefix"
        raise ValueProblem(what, f"write `{block}`, or a longer prefix")
    return block


def _wider(address: Address) -> str:
    """Guess the block that an address with zeros at its end stands for."""
    octets = address.packed
    zeros = len(octets) - len(octets.rstrip(b"\0"))
    return (
        f" for this address, `{address}/{8 * (len(octets) - zeros)}` for the block" if 0 < zeros < len(octets) else ""
    )
