"""Names as operators write them -> wire names.

RFC 1123 section 2.1 and RFC 952 (host names), RFC 2181 section 11 (what DNS itself allows), RFC 5890-5892 (IDNA 2008).
A name is always absolute, with or without the last dot: a relative name has no place in a reverse map.
"""

import re
from ipaddress import ip_address
from typing import NamedTuple

import idna

from blackhole_guard.config.problems import ValueProblem, quote
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import format_name, pack_name

MAX_LABEL = 63  # octets (RFC 1035 section 2.3.4)
MAX_NAME = 255  # octets on the wire, the root's included
_LONGEST_INPUT = 2000  # characters: U-labels may be longer than what they become, but not by this much

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LABEL_OR_UNDERSCORE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_IN_NAMES = re.compile(r"[A-Za-z0-9_.-]*")
_REVERSE = (b"\x07in-addr\x04arpa\x00", b"\x03ip6\x04arpa\x00")


class HostName(NamedTuple):
    """A name that may stand in a PTR, NS or SOA."""

    wire: bytes  # case as written
    doubts: tuple[tuple[str, str], ...]  # what loads, but is likely not meant: what and hint


def parse_host_name(text: str) -> HostName:
    """Read a host name.

    Raises:
        ValueProblem: it is an address, a wildcard, or no host name by RFC 1123; or IDNA 2008 does not allow it.
    """
    if len(text) > _LONGEST_INPUT:
        raise ValueProblem(f"`{quote(text)}` has {len(text)} characters", f"a name has at most {MAX_NAME - 2}")
    _refuse_other_things(text)
    ascii_text = text if text.isascii() else _convert_idna(text)
    doubts: list[tuple[str, str]] = []
    labels = ascii_text.removesuffix(".").split(".")
    for label in labels:
        _check_label(label, text, doubts)
    if labels[-1].isdigit():
        raise ValueProblem(
            f"`{quote(text)}` ends in a number", "host names end in letters, addresses have four octets (RFC 1123)"
        )
    if sum(map(len, labels)) + len(labels) + 1 > MAX_NAME:
        raise ValueProblem(f"`{quote(text)}` is longer than a name may be", f"{MAX_NAME - 2} characters are the most")
    if len(labels) == 1 and labels[0].lower() != "localhost":
        hint = f"names are fully qualified: write `{quote(labels[0])}.example.com` with your domain"
        doubts.append((f"`{quote(text)}` has only one label", hint))
    return HostName(_pack(ascii_text, text), tuple(doubts))


def _pack(ascii_text: str, text: str) -> bytes:
    try:
        return pack_name(ascii_text)
    except WireError as error:
        raise ValueProblem(f"`{quote(text)}` is no name: {error}", "write a fully qualified name") from error


def _refuse_other_things(text: str) -> None:
    """Recognise what is no name at all, but was written where one belongs."""
    shown = quote(text)
    if not text:
        raise ValueProblem("there is no name", "write a fully qualified name")
    if text == ".":
        raise ValueProblem("`.` is the root, no host", "write a fully qualified name")
    if text != text.strip() or re.search(r"[\s,]", text):
        raise ValueProblem(
            f"`{shown}` has a blank or comma in it", "write several names as a list: `[a.example.com, b.example.com]`"
        )
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        pass
    else:
        raise ValueProblem(f"`{shown}` is an address, not a name", "write a name, such as `host.example.com`")
    if "*" in text:
        raise ValueProblem(f"`{shown}` is a wildcard", "a PTR names one host: write its name")
    if "@" in text:
        raise ValueProblem(f"`{shown}` is a mailbox, not a host name", "write what is behind the `@`")
    if "://" in text or "/" in text:
        raise ValueProblem(f"`{shown}` has a slash in it", "write the host name alone, no URL and no path")


def _check_label(label: str, name: str, doubts: list[tuple[str, str]]) -> None:
    shown = quote(name)
    if not label:
        raise ValueProblem(f"`{shown}` has an empty label", "two dots stand together, or one at the start: delete one")
    if len(label) > MAX_LABEL:
        raise ValueProblem(f"`{shown}` has a label of {len(label)} characters", f"a label has at most {MAX_LABEL}")
    if _LABEL.fullmatch(label):
        if label[2:4] == "--":
            _check_reserved_label(label, shown, doubts)
        return
    if not _IN_NAMES.fullmatch(label):
        bad = next(character for character in label if not _IN_NAMES.fullmatch(character))
        raise ValueProblem(
            f"`{shown}` has a character that host names have not: `{quote(bad)}`",
            "letters, digits, hyphens and dots are allowed (RFC 1123)",
        )
    if _LABEL_OR_UNDERSCORE.fullmatch(label):
        if not any("underscore" in what for what, _ in doubts):
            doubts.append(
                (
                    f"`{shown}` has an underscore",
                    "it is served, but host names have none (RFC 1123): some programs refuse it",
                )
            )
        return
    raise ValueProblem(f"`{shown}` has a label that begins or ends with a hyphen", "delete the hyphen (RFC 1123)")


def _check_reserved_label(label: str, shown: str, doubts: list[tuple[str, str]]) -> None:
    """Labels with hyphens in third and fourth place are reserved; `xn--` ones must stand for a U-label (RFC 5890)."""
    try:
        if label[:4].lower() == "xn--":
            idna.ulabel(label)
            return
    except (idna.IDNAError, UnicodeError):
        pass
    doubts.append(
        (
            f"`{shown}` has the label `{quote(label)}`, which IDNA 2008 does not know",
            "it is served as it is; see that it is spelt right",
        )
    )


def _convert_idna(text: str) -> str:
    """Turn U-labels into A-labels by IDNA 2008, without the mappings of UTS 46: what is written is what is meant."""
    labels = []
    for label in text.removesuffix(".").split("."):
        if len(label) > MAX_LABEL:  # an A-label is longer than its U-label; and idna is slow on long ones
            raise ValueProblem(
                f"`{quote(text)}` has a label of {len(label)} characters", f"a label has at most {MAX_LABEL}"
            )
        try:
            labels.append(label if label.isascii() else idna.alabel(label).decode("ascii"))
        except (idna.IDNAError, UnicodeError) as error:
            hint = "write it in lower case" if label != label.lower() else "write the label in its `xn--` form"
            raise ValueProblem(f"`{quote(text)}` is no name by IDNA 2008: {quote(_reason(error))}", hint) from error
    return ".".join(labels)


def _reason(error: Exception) -> str:
    return str(error).partition(" in ")[0].replace("'", "")


def is_reverse_name(name: bytes) -> bool:
    """Say whether a wire name lies in the reverse trees."""
    lower = name.lower()
    return lower.endswith(_REVERSE)


def parse_mailbox(text: str) -> bytes:
    """Read an SOA's RNAME: `admin@example.com`, or the name that stands for it, `admin.example.com` (RFC 1035 8)."""
    local, at, domain = text.rpartition("@")
    if not at:
        return _parse_mailbox_name(text)
    if (
        not local
        or not local.isascii()
        or not local.isprintable()
        or "@" in local
        or " " in local
        or len(local) > MAX_LABEL
    ):
        raise ValueProblem(f"`{quote(text)}` is no mailbox", "write `admin@example.com`")
    host = parse_host_name(domain)
    label = "".join(
        character if character.isalnum() or character in "-_" else f"\\{ord(character):03d}" for character in local
    )
    return _pack(f"{label}.{format_name(host.wire)}", text)


def _parse_mailbox_name(text: str) -> bytes:
    """Read a mailbox as a domain name; a dot before the @ is written `\\.`, so only the rest is a host name."""
    match = re.fullmatch(r"((?:[A-Za-z0-9_+=-]|\\[0-9]{3}|\\[!-/:-~])+)\.(.+)", text)
    if not match:
        raise ValueProblem(f"`{quote(text)}` is no mailbox", "write `admin@example.com`, or `admin.example.com`")
    host = parse_host_name(match[2])
    return _pack(f"{match[1]}.{format_name(host.wire)}", text)
