"""Which resolvers to examine: as an operator writes them, and as this machine is set up.

resolv.conf(5), resolvectl(1). Left out: resolvers that only a daemon knows and tells nobody.
"""

import re
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from blackhole_guard.config.clients import split_resolver
from blackhole_guard.config.problems import ValueProblem

RESOLV_CONF = Path("/etc/resolv.conf")
PORT = 53
_STUBS = frozenset(("127.0.0.53", "127.0.0.54"))  # systemd-resolved's; it knows the real ones
_MOST = 16  # servers that are read of one list; nobody's machine has more, unless by mistake
_LINK = re.compile(r"(?:Global|Link [0-9]+(?: \([^)]*\))?): *(.*)")
_PATIENCE = 2.0  # seconds for resolvectl, which asks a daemon


@dataclass(frozen=True, slots=True)
class Resolver:
    """A server to ask."""

    address: str  # IPv4 or IPv6; a link-local one may name its interface
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read_resolver(text: str) -> Resolver:
    """Read `address`, `address:port`, `[v6]` or `[v6]:port`.

    Raises:
        ValueProblem: it is none of these.
    """
    address, port = split_resolver(text)
    return Resolver(address, PORT if port is None else port)


def find_resolvers(resolv_conf: Path = RESOLV_CONF) -> tuple[Resolver, ...]:
    """Find what this machine asks: the name servers of resolv.conf; behind systemd-resolved's stub also its servers."""
    try:
        text = resolv_conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    found = read_resolv_conf(text)
    if any(resolver.address in _STUBS for resolver in found):
        found += read_resolvectl(_run_resolvectl())
    return tuple(dict.fromkeys(found))


def read_resolv_conf(text: str) -> tuple[Resolver, ...]:
    """Read the `nameserver` lines of a resolv.conf; what is no address is passed over, as libraries do."""
    lines = (line.split() for line in text.splitlines())
    return _read_all(line[1] for line in lines if len(line) > 1 and line[0] == "nameserver")


def read_resolvectl(text: str) -> tuple[Resolver, ...]:
    """Read what `resolvectl dns` prints: lines of `Link 2 (eth0): 192.0.2.1 [2001:db8::1]:53#dns.example`.

    The name behind #, which is for TLS, is dropped.
    """
    servers = (match[1] for line in text.splitlines() if (match := _LINK.fullmatch(line.strip())))
    return _read_all(word.partition("#")[0] for line in servers for word in line.split())


def find_way_to(resolver: Resolver) -> IPv4Address | IPv6Address | None:
    """Find the address from which this machine asks a resolver on another one.

    Returns:
        None: the resolver is on this machine, or there is no way to it.
    """
    with socket.socket(socket.AF_INET6 if ":" in resolver.address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((resolver.address, resolver.port))  # sends nothing, but chooses an address
        except OSError:
            return None
        own = ip_address(sock.getsockname()[0].partition("%")[0])
    return None if own.is_loopback or own == ip_address(resolver.address.partition("%")[0]) else own


def _read_all(words: Iterable[str]) -> tuple[Resolver, ...]:
    def read() -> Iterator[Resolver]:
        for word in words:
            try:
                yield read_resolver(word)
            except ValueProblem:
                continue

    return tuple(dict.fromkeys(read()))[:_MOST]


def _run_resolvectl() -> str:
    try:
        done = subprocess.run(
            ["resolvectl", "--no-pager", "dns"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
