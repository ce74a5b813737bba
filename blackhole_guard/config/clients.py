"""Whom the server meets, as operators write it: endpoints, clients that may ask, resolvers to ask, the user to become.

Whether an interface or a user exists is found out where the process starts; here is what can be seen in the text.
"""

import difflib
import re

from blackhole_guard.config.problems import ValueProblem, quote
from blackhole_guard.config.values import parse_address, parse_block, parse_number

CLIENT_GROUPS = ("local", "loopback", "any")
_INTERFACE = re.compile(r"[A-Za-z0-9_.@:-]{1,24}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?")
_HIGHEST_ID = 2**32 - 2  # of a user or group: uid_t and gid_t have 32 bits, of which all set means none (chown(2))
_LIKE_AN_ADDRESS = re.compile(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


def parse_endpoint(text: str) -> str:
    """Check an entry of `listen`: an address, `address:port`, `[v6]:port`, an interface's name, or that with a port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueProblem(f"`{quote(text)}` has a bracket that is not closed before the port", "write `[::1]:53`")
        parse_address(host.partition("%")[0])
        if rest:
            _check_port(rest[1:], text)
        return text
    port: str | None
    host, colon, port = text.rpartition(":")
    if not colon or ":" in host:
        host, port = text.partition("%")[0], None
    if _LIKE_AN_ADDRESS.fullmatch(host):
        parse_address(host)
    elif not _INTERFACE.fullmatch(host):
        raise ValueProblem(
            f"`{quote(text)}` is neither an address nor an interface",
            "write `127.0.0.1`, `127.0.0.1:53`, `[::1]:53` or `eth0`",
        )
    if port is not None:
        _check_port(port, text)
    return text


def _check_port(port: str, text: str) -> None:
    try:
        good = parse_number(port) <= 65535
    except ValueProblem:
        good = False
    if not good:
        raise ValueProblem(
            f"`{quote(text)}` has no port behind the colon",
            "ports are numbers from 1 to 65535; IPv6 addresses with a port stand in brackets",
        )


def parse_resolver(text: str) -> str:
    """Check an entry of `doctor.resolvers`: an address, `address:port`, `[v6]` or `[v6]:port`."""
    split_resolver(text)
    return text


def split_resolver(text: str) -> tuple[str, int | None]:
    """Read a server to ask: its address, which may name an interface where it is IPv6, and its port if one is named."""
    port: str | None = None
    host, bracket, rest = text.removeprefix("[").partition("]")
    if text.startswith("[") and (not bracket or (rest and not rest.startswith(":"))):
        raise ValueProblem(f"`{quote(text)}` has a bracket that is not closed before the port", "write `[::1]:53`")
    if text.startswith("["):
        port = rest[1:] if rest else None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address, percent, interface = host.partition("%")
    if not _LIKE_AN_ADDRESS.fullmatch(address) or (percent and not _INTERFACE.fullmatch(interface)):
        hint = "write an address such as `127.0.0.53`, `192.0.2.1:5300` or `[::1]:53`"
        raise ValueProblem(f"`{quote(text)}` is not the address of a resolver", hint)
    parse_address(address)
    if port is None:
        return host, None
    _check_port(port, text)
    if int(port) == 0:
        raise ValueProblem(f"`{quote(text)}` has the port 0", "ports are numbers from 1 to 65535")
    return host, int(port)


def parse_client(text: str) -> str:
    """Check an entry of `allow_query`: a group, an address or a block; returns the block in canonical form."""
    if text in CLIENT_GROUPS:
        return text
    if "/" in text:
        # The whole address space is what `any` says for both families.
        return text if text in ("0.0.0.0/0", "::/0") else str(parse_block(text))
    if not _LIKE_AN_ADDRESS.fullmatch(text):
        close = difflib.get_close_matches(text.lower()[:64], CLIENT_GROUPS, n=1)
        hint = (
            f"did you mean `{close[0]}`?"
            if close
            else "write `local`, `loopback`, `any`, an address or a block such as `10.0.0.0/8`"
        )
        raise ValueProblem(f"`{quote(text)}` is neither a group nor an address nor a block", hint)
    return str(parse_address(text))


def parse_network(text: str) -> str:
    """Check an address or a block; returns the block in canonical form."""
    return str(parse_block(text) if "/" in text else parse_address(text))


def parse_account(text: str) -> str:
    """Check the name or the number of a user or a group."""
    if ":" in text or not _USER.fullmatch(text):
        raise ValueProblem(f"`{quote(text)}` is no user or group", "write one name, or one number")
    _check_id(text)
    return text


def parse_user(text: str) -> str:
    """Check `user` or `user:group`."""
    if not _USER.fullmatch(text):
        raise ValueProblem(f"`{quote(text)}` is no user", "write `user`, or `user:group`")
    for part in text.split(":"):
        _check_id(part)
    return text


def _check_id(text: str) -> None:
    """Check a user or a group that is written as a number."""
    if text.isdecimal() and int(text) > _HIGHEST_ID:
        raise ValueProblem(f"{quote(text)} is no number of a user or group", f"{_HIGHEST_ID} is the highest")
