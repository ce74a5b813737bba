"""Where to listen: what the operator wrote becomes endpoints, each an address and a port.

An entry is an address, `address:port`, `[v6]:port`, or an interface's name with or without a port: that stands for all
addresses it has at the start. Names of hosts are not looked up: a name server's start must not wait for another's.
"""

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

DEFAULT_LISTEN = ("127.0.0.1", "::1")


class ListenError(Exception):
    """What is asked for cannot be listened on; holds every problem found, each one line, at least one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Endpoint(NamedTuple):
    """An address and a port to serve over UDP and TCP."""

    address: IPv4Address | IPv6Address  # an IPv6 one without its scope
    port: int  # 0: whichever is free
    scope: int = 0  # interface index of a link-local address

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return socket.AF_INET if self.address.version == 4 else socket.AF_INET6

    @property
    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """What bind(2) takes."""
        if self.address.version == 4:
            return str(self.address), self.port
        return str(self.address), self.port, 0, self.scope

    def __str__(self) -> str:
        return format_endpoint(str(self.address), self.port, self.scope)


Interfaces = dict[str, list[tuple[IPv4Address | IPv6Address, int]]]  # name -> its addresses, each with its scope


def format_endpoint(address: str, port: int, scope: int = 0) -> str:
    """Write an address and a port as an operator would: `127.0.0.1:53`, `[fe80::1%2]:53`."""
    if ":" not in address:
        return f"{address}:{port}"
    return f"[{address}%{scope}]:{port}" if scope else f"[{address}]:{port}"


def find_interfaces() -> Interfaces:
    """List the interfaces of this network namespace that have addresses."""
    import ifaddr  # it starts ldconfig(8) to find the C library: 10 ms that only those pay who name an interface

    found: Interfaces = {}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str):
                found.setdefault(ip.nice_name, []).append((IPv4Address(ip.ip), 0))
            else:
                address, _, scope = ip.ip
                found.setdefault(ip.nice_name, []).append((IPv6Address(address.partition("%")[0]), scope))
    return found


def parse_listen(
    entries: Sequence[str], port: int, interfaces: Callable[[], Interfaces] = find_interfaces
) -> tuple[Endpoint, ...]:
    """Turn the entries of `listen` into endpoints, in their order, each once.

    Args:
        entries: as the operator wrote them.
        port: where an entry names none.
        interfaces: asked once, when an entry is no address.
    Returns:
        At least one. An address that a wildcard of the same port covers is left out: the wildcard answers for it.
    Raises:
        ListenError: with a line for each entry that is none.
    """
    known: Interfaces | None = None
    endpoints: dict[Endpoint, None] = {}
    problems = [] if entries else ["there is nothing to listen on; leave `listen` out for 127.0.0.1 and ::1"]
    for entry in entries:
        try:
            found = _parse_address(entry, port)
            if found is None:
                known = interfaces() if known is None else known
                found = _parse_interface(entry, port, known)
            endpoints.update(dict.fromkeys(found))
        except ValueError as error:
            problems.append(f"cannot listen on {entry!r}: {error}")
    if problems:
        raise ListenError(problems)
    wildcards = {(each.family, each.port) for each in endpoints if each.address.is_unspecified}
    return tuple(
        each
        for each in endpoints
        if each.port == 0 or each.address.is_unspecified or (each.family, each.port) not in wildcards
    )


def _parse_address(entry: str, port: int) -> tuple[Endpoint, ...] | None:
    """Parse `address`, `address:port`, `[v6]` or `[v6]:port`; None: no address at all. Raises ValueError."""
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("write [address]:port")
        address = _as_address(host)
        if not isinstance(address, IPv6Address):
            raise ValueError("only an IPv6 address stands in brackets")
        return (_endpoint(address, _parse_port(rest[1:]) if rest else port),)
    address = _as_address(entry)
    if address is not None:
        return (_endpoint(address, port),)
    host, colon, rest = entry.rpartition(":")
    address = _as_address(host)
    if not colon or not isinstance(address, IPv4Address):
        return None
    return (_endpoint(address, _parse_port(rest)),)


def _parse_interface(entry: str, port: int, interfaces: Interfaces) -> tuple[Endpoint, ...]:
    """Name all addresses of an interface, `name` or `name:port`. Raises ValueError."""
    name = entry
    if name not in interfaces:  # a whole name first: an alias such as eth0:1 has a colon of its own
        name, colon, rest = entry.rpartition(":")
        if not colon or name not in interfaces:
            known = ", ".join(sorted(interfaces)) or "none"
            raise ValueError(f"neither an address nor an interface that has one; the interfaces are: {known}")
        port = _parse_port(rest)
    return tuple(Endpoint(address, port, scope) for address, scope in interfaces[name])


def _as_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ValueError(f"{text!r} is no port")
    return int(text)


def _endpoint(address: IPv4Address | IPv6Address, port: int) -> Endpoint:
    """Check that an address may be listened on, and resolve its scope. Raises ValueError."""
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise ValueError("it is not the address of one host")
    if isinstance(address, IPv4Address):
        return Endpoint(address, port)
    if address.ipv4_mapped is not None:
        raise ValueError(f"write the IPv4 address, {address.ipv4_mapped}")
    plain = IPv6Address(int(address))
    if address.scope_id is None:
        if address.is_link_local:
            raise ValueError(f"a link-local address needs its interface: {address}%eth0")
        return Endpoint(plain, port)
    if address.scope_id.isdigit():
        return Endpoint(plain, port, int(address.scope_id))
    try:
        return Endpoint(plain, port, socket.if_nametoindex(address.scope_id))
    except OSError as error:
        raise ValueError(f"there is no interface {address.scope_id}") from error
