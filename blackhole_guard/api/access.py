"""Who may read the API: it names clients and their addresses, which metrics do not.

Left out: passwords and TLS, which are a proxy's to have.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address

from blackhole_guard.api.problems import ProblemError
from blackhole_guard.wire.names import escape_text

_SETTING = "telemetry.api.allow"
_PORT = re.compile(r":[0-9]*$")


def check_access(client: str, host: str, is_allowed: Callable[[str], bool]) -> None:
    """Let a request pass, or not.

    Args:
        client: the address that it came from; empty: it is gone.
        host: of its Host field, which may have a port.
        is_allowed: whether an address is in the setting.
    Raises:
        ProblemError: 403 or 421.
    """
    if not client or not is_allowed(client):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"the API is not for {escape_text(client)}: it shows the addresses of clients",
            f"ask from an address in the setting {_SETTING}, or add yours to it and restart the server",
        )
    # A browser on this machine runs the pages of strangers, and their names may lead here (DNS rebinding): then they
    # would be what it calls the same origin, and could read all this. What has such a name in Host is sent away.
    if _is_loopback(client) and not _is_plain(host):
        raise ProblemError(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"`{escape_text(host, limit=80)}` is no name of this machine that its own programs may use",
            "ask by address, or as localhost",
        )


def _is_loopback(client: str) -> bool:
    address = ip_address(client.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_plain(host: str) -> bool:
    """Say whether a Host names an address or localhost (RFC 6761 section 6.3), or nothing at all."""
    name = _PORT.sub("", host)
    if name.lower().rstrip(".") in ("", "localhost"):
        return True
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True
