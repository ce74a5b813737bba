"""Which of the addresses that we listen on a resolver is told."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from blackhole_guard.integrations.configuration import Note
from blackhole_guard.integrations.plan import DNS_PORT, IntegrationError, Server

_LOOPBACK = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}
_HINT = "say the address at which the resolver reaches us: --server 127.0.0.1:5300"


class Endpoint(Protocol):
    """An address and a port that we listen on."""

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """Without its scope."""

    @property
    def port(self) -> int:
        """0: whichever is free."""


def check_servers(endpoints: Sequence[Endpoint]) -> tuple[Server, ...]:
    """Take the addresses that the operator names.

    Raises:
        IntegrationError: nobody can send to one of them.
    """
    for each in endpoints:
        if each.address.is_unspecified:
            raise IntegrationError(f"{each.address} is no address to send to", _HINT)
        if each.address.is_link_local:
            raise IntegrationError(f"{each.address} means another host on each link", _HINT)
        if each.port == 0:
            raise IntegrationError("port 0 is no port to send to", _HINT)
    return tuple(dict.fromkeys(Server(each.address, each.port) for each in endpoints))


def choose_server(endpoints: Sequence[Endpoint]) -> tuple[Server, tuple[Note, ...]]:
    """Choose one of the addresses that we listen on, loopback before others; all lead to the same answers.

    Raises:
        IntegrationError: there is none that a resolver could be told.
    """
    found = [each for each in endpoints if each.port and not each.address.is_link_local]
    if not found:
        what = "the port is chosen at the start" if endpoints else "we listen on no address"
        raise IntegrationError(f"{what}, so a resolver cannot be told it", _HINT)
    chosen = min(found, key=lambda each: not (each.address.is_loopback or each.address.is_unspecified))
    address = _LOOPBACK[chosen.address.version] if chosen.address.is_unspecified else chosen.address
    server, notes = Server(address, chosen.port), list[Note]()
    if chosen.address.is_unspecified:
        what = f"we listen on all addresses, and these lines name {address}, for a resolver on the same machine"
        notes.append(Note(what, "for another machine say which: --server ADDRESS"))
    if address in _LOOPBACK.values() and chosen.port == DNS_PORT:
        what = f"{address} port {DNS_PORT} is where most resolvers listen, too, and there is one of the two only"
        notes.append(Note(what, "give us another port, such as `listen: [127.0.0.1:5300]`, and run this again"))
    return server, tuple(notes)
