"""Which of the addresses that we listen on a resolver is told."""

from collections.abc import Iterator, Sequence
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


def choose_server(
    endpoints: Sequence[Endpoint], towards: IPv4Address | IPv6Address | None = None
) -> tuple[Server, tuple[Note, ...]]:
    """Choose one of the addresses that we listen on; all lead to the same answers.

    Args:
        towards: the address of ours from which this machine asks a resolver on another one; None: the resolver is on
            this machine, for all that is known, and loopback comes before other addresses.
    Raises:
        IntegrationError: there is none that a resolver could be told.
    """
    found = [each for each in endpoints if each.port and not each.address.is_link_local]
    if not found:
        what = "the port is chosen at the start" if endpoints else "we listen on no address"
        raise IntegrationError(f"{what}, so a resolver cannot be told it", _HINT)
    if towards is not None:
        return _choose_for_another_machine(found, towards)
    chosen = min(found, key=lambda each: not (each.address.is_loopback or each.address.is_unspecified))
    address = _LOOPBACK[chosen.address.version] if chosen.address.is_unspecified else chosen.address
    return Server(address, chosen.port), tuple(_doubts(found, chosen, address))


def _choose_for_another_machine(
    found: Sequence[Endpoint], towards: IPv4Address | IPv6Address
) -> tuple[Server, tuple[Note, ...]]:
    reachable = [
        Server(towards if each.address.is_unspecified else each.address, each.port)
        for each in found
        if not each.address.is_loopback
        and not (each.address.is_unspecified and (each.address.version != towards.version or towards.is_link_local))
    ]
    if not reachable:
        listened = ", ".join(str(Server(each.address, each.port)) for each in found)
        what = f"the resolver is on another machine, and does not reach us at {listened}"
        hint = "let us listen on an address that it reaches, or say one to `integrate`: --server ADDRESS"
        raise IntegrationError(what, hint)
    server = min(reachable, key=lambda each: (each.address != towards, each.address.version != towards.version))
    what = f"the resolver is on another machine: {server.address} must lead from there to us, and let it ask"
    return server, (Note(what, "`integrate` takes another one, --server ADDRESS; who may ask is `server.allow_query`"),)


def _doubts(found: Sequence[Endpoint], chosen: Endpoint, address: IPv4Address | IPv6Address) -> Iterator[Note]:
    """Note what may be wrong with an address of this machine's own."""
    others = [str(Server(each.address, each.port)) for each in found if not each.address.is_loopback]
    if chosen.address.is_unspecified:
        what = f"we listen on all addresses, and these lines name {address}, for a resolver on the same machine"
        yield Note(what, "for another machine say which: --server ADDRESS")
    elif chosen.address.is_loopback and others:
        what = f"we listen on {', '.join(others)}, too; these lines name {address}, for a resolver on the same machine"
        yield Note(what, "for another machine say which: --server ADDRESS")
    if address in _LOOPBACK.values() and chosen.port == DNS_PORT:
        what = f"{address} port {DNS_PORT} is where most resolvers listen, too, and there is one of the two only"
        yield Note(what, "give us another port, such as `listen: [127.0.0.1:5300]`, and run this again")
