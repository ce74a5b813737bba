"""Plans made by hand, and one that has each kind of route."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from blackhole_guard.integrations.plan import Plan, Server, make_plan
from blackhole_guard.reserved.addresses import Block, apexes
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.records import RRset

HERE = Server(ip_address("127.0.0.1"), 5300)


@dataclass(frozen=True)
class Served:
    apex: bytes
    label: str
    mapped: bool = False


@dataclass(frozen=True)
class Delegated:
    owner: bytes
    block: Block
    ns: RRset
    glue: tuple[RRset, ...]


def served(name: str, *, mapped: bool = False) -> Served:
    """A zone of ours: a block that is one zone, or a name."""
    return Served(apexes(ip_network(name))[0] if "/" in name else pack_name(name), name, mapped)


def delegated(block: str, servers: dict[str, list[str]], owner: str | None = None) -> Delegated:
    """A delegated block: name servers -> their addresses; `owner` where it is not the block's own name."""
    name = apexes(ip_network(block))[0] if owner is None else pack_name(owner)
    glue = []
    for host, addresses in servers.items():
        for rtype, version in ((RRType.A, 4), (RRType.AAAA, 6)):
            rdatas = tuple(each.packed for each in map(ip_address, addresses) if each.version == version)
            if rdatas:
                glue.append(RRset(pack_name(host), rtype, 3600, rdatas))
    return Delegated(name, ip_network(block), RRset(name, RRType.NS, 3600, tuple(map(pack_name, servers))), tuple(glue))


def whole_plan(*servers: Server) -> Plan:
    """A plan with each kind: delegations with and without addresses and below /24, and a zone of ours inside one."""
    return make_plan(
        [*map(served, ("10.0.0.0/8", "10.1.2.0/24", "10.20.1.0/24", "fd12:3456::/32", "home.arpa", "service.arpa"))],
        [
            delegated("10.20.0.0/16", {"ad1.example.com": ["10.20.0.10", "fd12::10"], "ad2.example.com": []}),
            delegated("10.30.0.0/16", {"a.example.com": [], "b.example.com": []}),
            delegated("10.1.3.64/26", {"tenant.example.com": ["10.1.3.66"]}, "64/26.3.1.10.in-addr.arpa"),
        ],
        servers or (HERE,),
    )
