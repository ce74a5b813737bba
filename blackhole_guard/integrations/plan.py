"""Which names a resolver asks us for, and which it asks the servers of delegated blocks for: the fewest that say so.

A resolver that is told of a name asks the same servers for all below it, so a zone of ours inside another of ours needs
no line of its own; a delegated block does (RFC 1034 section 4.2.1), and so does a zone of ours inside that.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from blackhole_guard.reserved.addresses import Block, parse_reverse_prefix
from blackhole_guard.reserved.registry import Sink, find_reserved_name
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name, suffixes
from blackhole_guard.wire.records import RRset

DNS_PORT = 53


class IntegrationError(Exception):
    """A neighbour cannot be told what it would have to know."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class ServedZone(Protocol):
    """What must be known of a zone of ours."""

    @property
    def apex(self) -> bytes:
        """Wire form, lower case."""

    @property
    def label(self) -> str:
        """The block, or the zone's name."""

    @property
    def mapped(self) -> bool:
        """Whether a map made it; otherwise it is built in."""


class DelegatedBlock(Protocol):
    """What must be known of a delegation."""

    @property
    def owner(self) -> bytes:
        """Wire form, lower case."""

    @property
    def block(self) -> Block:
        """The addresses that are delegated."""

    @property
    def ns(self) -> RRset:
        """The name servers."""

    @property
    def glue(self) -> Sequence[RRset]:
        """Their addresses, as far as a map gives them."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a name server listens."""

    address: IPv4Address | IPv6Address
    port: int = DNS_PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """A name, and whom a resolver must ask for it and all below it, as far as no longer name says otherwise."""

    name: bytes  # wire form, lower case
    label: str  # for people: the block, or the zone's name
    block: Block | None  # None: no reverse name, or one below /24 (RFC 2317)
    ours: bool
    servers: tuple[Server, ...]  # ours, or those of the delegated block whose addresses a map gives
    hosts: tuple[str, ...]  # the delegated block's name servers, without the last dot; empty: ours
    is_wanted: bool = True  # a map says something of what it leads to, or it leaks; False: it is built in, no more

    @property
    def text(self) -> str:
        """The name as configuration files write it: without the last dot."""
        return format_name(self.name).removesuffix(".")

    @property
    def is_classless(self) -> bool:
        """Whether only CNAMEs of ours lead here (RFC 2317)."""
        return not self.ours and self.block is None

    @property
    def target(self) -> tuple[object, ...]:
        """What two routes have in common that lead to the same servers."""
        return (True,) if self.ours else (False, frozenset(self.servers), frozenset(self.hosts))


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a neighbour must know."""

    servers: tuple[Server, ...]  # ours, at least one
    routes: tuple[Route, ...]  # IPv4 in address order, IPv6, names; no two have one name

    @property
    def ours(self) -> tuple[Route, ...]:
        """The routes that lead to us."""
        return tuple(route for route in self.routes if route.ours)

    @property
    def delegated(self) -> tuple[Route, ...]:
        """The routes that lead to servers of delegated blocks, with an address or without."""
        return tuple(route for route in self.routes if not route.ours)

    @property
    def reachable(self) -> tuple[Route, ...]:
        """The routes to servers whose addresses are known."""
        return tuple(route for route in self.routes if route.servers)

    @property
    def lost(self) -> tuple[Route, ...]:
        """The delegated blocks of whose servers no address is known."""
        return tuple(route for route in self.routes if not route.servers)

    @property
    def tops(self) -> tuple[Route, ...]:
        """The routes that no other one holds: what a validator must be told not to validate."""
        routes = {route.name: route for route in self.routes}
        return tuple(route for route in self.routes if _enclosing(route, routes) is None)

    def deepest_first(self) -> tuple[Route, ...]:
        """Order the routes with an address for a program that takes the first that fits."""
        return tuple(sorted(self.reachable, key=lambda route: -sum(1 for _ in suffixes(route.name))))


def make_plan(zones: Iterable[ServedZone], cuts: Iterable[DelegatedBlock], servers: Sequence[Server]) -> Plan:
    """Decide what a neighbour must be told.

    Args:
        zones: every zone that is served, and `cuts` every delegation, as `zones.zone_set` has them.
        servers: where we listen, as the neighbour reaches it.
    Raises:
        IntegrationError: there is nothing to ask us for, or nowhere to ask.
    """
    if not servers:
        raise IntegrationError("there is no address at which a resolver could ask", "say one: --server 127.0.0.1:5300")
    served = tuple(zones)
    routes = {zone.apex: _route_to_us(zone, servers) for zone in served}
    if not routes:
        raise IntegrationError("no zone is served, so there is nothing to ask us for", "look at `reserved` and `serve`")
    routes |= {cut.owner: _route_to_others(cut) for cut in cuts}  # where all of a zone is delegated, its apex is, too
    needed = []
    for route in routes.values():
        around = _enclosing(route, routes)
        if around is None or around.target != route.target:
            needed.append(route)
    wanted = _wanted({route.name for route in needed}, served)
    marked = (replace(route, is_wanted=not route.ours or route.name in wanted) for route in needed)
    return Plan(tuple(servers), tuple(sorted(marked, key=_order)))


def _wanted(names: Collection[bytes], zones: Iterable[ServedZone]) -> set[bytes]:
    """Choose the names by which a resolver comes to what maps say."""
    mapped = (zone.apex for zone in zones if zone.mapped)
    return {next(each for each in suffixes(apex) if each in names) for apex in mapped}


def _route_to_us(zone: ServedZone, servers: Sequence[Server]) -> Route:
    return Route(zone.apex, zone.label, parse_reverse_prefix(zone.apex), True, tuple(servers), ())


def _route_to_others(cut: DelegatedBlock) -> Route:
    addresses = tuple(
        Server(ip_address(rdata))
        for rrset in cut.glue
        if rrset.rtype in (RRType.A, RRType.AAAA)
        for rdata in rrset.rdatas
    )
    hosts = tuple(format_name(name).removesuffix(".") for name in cut.ns.rdatas)
    return Route(cut.owner, str(cut.block), parse_reverse_prefix(cut.owner), False, addresses, hosts)


def _enclosing(route: Route, routes: Mapping[bytes, Route]) -> Route | None:
    return next((routes[each] for each in suffixes(route.name) if each != route.name and each in routes), None)


def _order(route: Route) -> tuple[int, bytes, int, str]:
    if route.block is None:
        return (5 if route.is_classless else 9), b"", 0, route.text
    return route.block.version, route.block.network_address.packed, route.block.prefixlen, route.text


def insecurely_delegated(routes: Iterable[Route]) -> Iterator[Route]:
    """Choose the names that the public DNS delegates without DS: that is the parent's to say (RFC 8375 section 4).

    Of other names the public DNS says that they do not exist: no proof from there would help who validates.
    """
    for route in routes:
        row = find_reserved_name(route.name)
        if row is not None and row.apex == route.name and row.sink is Sink.AS112:
            yield route


def hidden_by(route: Route) -> str | None:
    """Name the zone of IANA's registry that a route lies strictly below; None: it is that zone, or in none.

    Resolvers have those zones built in, and a built-in zone hides what lies below it.
    """
    row = find_reserved_name(route.name)
    return None if row is None or row.apex == route.name else format_name(row.apex).removesuffix(".")
