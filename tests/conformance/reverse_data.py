"""One set of reverse zones as abstract data, and its two renderings: our YAML maps, and master files for Knot and NSD.

Nothing here calls the package under test: the arithmetic is that of `ipaddress`, the rules are those of the RFCs and of
docs/configuration.md, written a second time. Where both are wrong in the same way Knot and NSD are still right.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

Block = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Record = tuple[str, int, str, str]  # owner (absolute, lower case), TTL in seconds, type, RDATA as in a master file

EMPTY_TTL = 10800  # RFC 6303 section 3
REGISTRY = Path(__file__).with_name("registry.csv")


@dataclass(frozen=True)
class Soa:
    mname: str
    rname: str
    serial: int
    refresh: int = 28800
    retry: int = 7200
    expire: int = 604800
    minimum: int = 86400

    def text(self) -> str:
        return f"{self.mname} {self.rname} {self.serial} {self.refresh} {self.retry} {self.expire} {self.minimum}"


@dataclass
class Zone:
    """A map of ours. It is one zone, or several where its block ends between octets."""

    block: Block | None  # None: a named zone
    name: str  # the block, or the name of a named zone
    soa: Soa | None
    ns: tuple[str, ...]  # () : none of its own, so the apex itself
    ttl: int
    ptr: dict[Address, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    delegations: dict[Block, dict[str, tuple[str, ...]]] = field(default_factory=dict)  # name server -> its addresses
    public: bool = False

    @property
    def apexes(self) -> tuple[str, ...]:
        """Of the zones that the map makes; none for an IPv4 block longer than /24, which lives in its covering zone."""
        if self.block is None:
            return (f"{self.name}.",)
        if self.block.version == 4 and self.block.prefixlen > 24:
            return ()
        return tuple(apex_of(part) for part in cut_blocks(self.block))


@dataclass(frozen=True)
class MasterZone:
    """A zone as Knot and NSD load it."""

    apex: str
    records: tuple[Record, ...]


def cut_blocks(block: Block) -> tuple[Block, ...]:
    """The blocks at octet (nibble) boundaries that make up `block`; an IPv4 block longer than /24 is itself."""
    step = 8 if block.version == 4 else 4
    if block.version == 4 and block.prefixlen > 24:
        return (block,)
    return tuple(block.subnets(new_prefix=-(-block.prefixlen // step) * step))


def owner_of(address: Address) -> str:
    return f"{address.reverse_pointer}."


def apex_of(block: Block) -> str:
    """Owner name of a block at an octet or nibble boundary."""
    step, labels = (8, 4) if block.version == 4 else (4, 32)
    return ".".join(owner_of(block.network_address).split(".")[labels - block.prefixlen // step :])


def classless_label(block: Block) -> str:
    """RFC 2317 section 4: the first address and the prefix length, below the zone of the /24."""
    octets = str(block.network_address).split(".")
    return f"{octets[3]}/{block.prefixlen}.{'.'.join(reversed(octets[:3]))}.in-addr.arpa."


def read_registry() -> list[dict[str, str]]:
    """The IANA registry as the tests have it: zone, prefix (`-` where there is none), what, reference, sink."""
    with REGISTRY.open() as lines:
        return list(csv.DictReader(lines))


# --- the data


def make_zones(seed: int) -> list[Zone]:
    """The maps that all comparisons use; the same for the same seed."""
    chance = random.Random(seed)
    names = _host_names(chance)
    soa = [
        # MINIMUM above and below the zone's TTL: the smaller one counts in negative answers (RFC 2308 section 3).
        Soa("ns1.example.com.", "admin.example.com.", 2009012501 + number, minimum=minimum)
        for number, minimum in enumerate((86400, 300, 60, 0, 3600, 86400, 60, 3600, 120, 10800))
    ]
    two = ("ns1.example.com.", "ns2.example.com.")
    zones = [
        Zone(ip_network("10.0.0.0/8"), "10.0.0.0/8", soa[0], two, 14400),
        # Sub-zones: with name servers of its own, one inside the other; and one without.
        Zone(ip_network("10.1.0.0/16"), "10.1.0.0/16", soa[1], ("ns1.sub.example.com.",), 7200),
        Zone(ip_network("10.1.2.0/24"), "10.1.2.0/24", soa[2], ("ns1.sub.example.com.", "ns3.sub.example.com."), 300),
        Zone(ip_network("10.99.99.0/24"), "10.99.99.0/24", soa[3], (), 900),
        # Four zones of one map, and a /26 that has none of its own.
        Zone(ip_network("172.20.0.0/14"), "172.20.0.0/14", soa[4], two, 3600),
        Zone(ip_network("192.168.0.0/16"), "192.168.0.0/16", soa[5], two, 1800),
        Zone(ip_network("192.168.10.64/26"), "192.168.10.64/26", None, (), 120),
        Zone(ip_network("fd12:3456::/48"), "fd12:3456::/48", soa[6], two, 3600),
        Zone(ip_network("fd12:3456:0:ab00::/56"), "fd12:3456:0:ab00::/56", soa[7], ("ns.v6.example.com.",), 600),
        Zone(None, "home.arpa", soa[8], two, 3600),
        Zone(ip_network("11.22.0.0/16"), "11.22.0.0/16", soa[9], two, 3600, public=True),
    ]
    for zone in zones:
        _fill(zone, chance, names)
    _delegate({zone.name: zone for zone in zones})
    _forget_hidden(zones)
    return zones


def _host_names(chance: random.Random) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        domain = chance.choice(
            ("example.com.", "corp.example.com.", "example.net.", f"rack{number % 40}.dc.example.org.")
        )
        yield f"host{number}{'x' * chance.choice((0, 0, 0, 1, 20, 40))}.{domain}"


def _fill(zone: Zone, chance: random.Random, names: Iterator[str]) -> None:
    """PTRs: most with one name, some with two to four, a few with so many that they fit in no datagram."""
    if zone.block is None:
        return
    free = zone.block.max_prefixlen - zone.block.prefixlen
    for number in range(60 if free <= 8 else 400):
        near = chance.randrange(2 ** min(free, 11)) if chance.random() < 0.6 else chance.randrange(2**free)
        address = zone.block.network_address + near
        count = 1
        if number % 5 == 0:
            count = chance.randint(2, 4)
        elif number % 40 == 1:
            count = chance.choice((8, 12, 20, 35, 60, 100))
        ttl = zone.ttl if chance.random() < 0.7 else chance.choice((0, 1, 60, 86400, 2**31 - 1))
        zone.ptr[address] = (ttl, tuple(next(names) for _ in range(count)))


def _delegate(zones: dict[str, Zone]) -> None:
    """Delegations at octets, between them, below /24; servers with glue, without, and in their own zone."""
    ad = {"ad1.corp.example.com.": (), "ad2.corp.example.com.": ()}
    foreign = {"ad1.corp.example.com.": ("10.20.0.10",), "ad2.corp.example.com.": ("10.20.0.11", "fd00::20:b")}
    tens = zones["10.0.0.0/8"].delegations
    tens[ip_network("10.20.0.0/16")] = foreign
    tens[ip_network("10.21.0.0/16")] = ad
    tens[ip_network("10.22.0.0/16")] = {
        "ns1.22.10.in-addr.arpa.": ("10.22.0.10",),
        "ns2.22.10.in-addr.arpa.": ("10.22.0.11", "fd00::22:b"),
    }
    # Its name server has a name in the zone, but outside the cut: an ordinary record of the zone, and in each referral.
    tens[ip_network("10.23.0.0/16")] = {"ns.250.10.in-addr.arpa.": ("10.250.0.53", "fd00::250:53")}
    tens[ip_network("10.30.0.0/15")] = ad  # two delegations
    tens[ip_network("10.40.0.0/13")] = ad  # eight
    tens[ip_network("10.0.200.0/22")] = ad  # four, at three octets
    tens[ip_network("10.0.100.0/24")] = ad
    tens[ip_network("10.0.5.64/26")] = ad
    tens[ip_network("10.0.5.128/28")] = ad
    tens[ip_network("10.0.6.0/25")] = ad
    zones["10.1.2.0/24"].delegations[ip_network("10.1.2.64/26")] = ad
    zones["192.168.0.0/16"].delegations[ip_network("192.168.3.128/25")] = ad
    zones["192.168.0.0/16"].delegations[ip_network("192.168.128.0/20")] = ad
    zones["172.20.0.0/14"].delegations[ip_network("172.21.7.0/24")] = ad
    six = zones["fd12:3456::/48"].delegations
    six[ip_network("fd12:3456:0:1000::/64")] = ad
    six[ip_network("fd12:3456:0:2000::/54")] = ad  # four
    six[ip_network("fd12:3456:0:3::/64")] = {
        "ns.3.0.0.0.0.0.0.0.6.5.4.3.2.1.d.f.ip6.arpa.": ("fd12:3456:0:3::53",),
    }


def _forget_hidden(zones: list[Zone]) -> None:
    """Drop addresses below a delegation, and those that a narrower map has too."""
    cuts = [block for zone in zones for block in zone.delegations]
    seen: set[Address] = set()
    for zone in sorted(zones, key=lambda zone: -1 if zone.block is None else -zone.block.prefixlen):
        for address in list(zone.ptr):
            if address in seen or any(address in cut for cut in cuts if cut.version == address.version):
                del zone.ptr[address]
        seen |= set(zone.ptr)


# --- as YAML


def render_maps(zones: list[Zone]) -> str:
    """One file of maps, written as operators write them."""
    return "---\n".join(_render_map(zone) for zone in zones)


def _render_map(zone: Zone) -> str:
    lines = [f"zone: {_quoted(zone.name)}", f"ttl: {zone.ttl}"]
    if zone.public:
        lines.append("allow_public: true")
    if zone.ns:
        lines.append(f"ns: [{', '.join(zone.ns)}]")
    if zone.soa is not None:
        keys = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
        lines.append("soa: {" + ", ".join(f"{key}: {getattr(zone.soa, key)}" for key in keys) + "}")
    if zone.ptr:
        lines.append("ptr:")
    for address, (ttl, names) in zone.ptr.items():
        value = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        if ttl != zone.ttl:
            value = f"{{{'name' if len(names) == 1 else 'names'}: {value}, ttl: {ttl}}}"
        lines.append(f"  {_quoted(str(address))}: {value}")
    if zone.delegations:
        lines.append("delegate:")
    for block, servers in zone.delegations.items():
        lines.append(f"  {_quoted(str(block))}: {_render_servers(servers)}")
    return "\n".join(lines) + "\n"


def _render_servers(servers: dict[str, tuple[str, ...]]) -> str:
    if not any(servers.values()):
        return f"[{', '.join(servers)}]"
    return (
        "{" + ", ".join(f"{name}: [{', '.join(map(_quoted, addresses))}]" for name, addresses in servers.items()) + "}"
    )


def _quoted(text: str) -> str:
    return f'"{text}"' if ":" in text else text


# --- as master files


def master_zones(zones: list[Zone]) -> list[MasterZone]:
    """All zones that the maps and the registry make, ready for Knot and NSD."""
    made: dict[str, list[Record]] = {}
    for zone in zones:
        for apex in zone.apexes:
            made[apex] = _apex_records(zone, apex)
    for row in [*read_registry(), {"zone": "empty.as112.arpa"}, {"zone": "0.f.f.f.3.ip6.arpa"}]:
        apex = f"{row['zone']}."
        if apex not in made:
            made[apex] = _empty_records(apex)
    for zone in zones:
        for owner, ttl, rtype, rdata in _records_of(zone):
            made[_home_of(owner, made)].append((owner, ttl, rtype, rdata))
    for child in sorted(made, key=len):
        parent = _parent_of(child, made)
        if parent is not None:
            made[parent] += [
                (child, ttl, rtype, rdata)
                for owner, ttl, rtype, rdata in made[child]
                if owner == child and rtype == "NS"
            ]
    return [MasterZone(apex, tuple(records)) for apex, records in made.items()]


def render_master(zone: MasterZone) -> str:
    return "".join(f"{owner} {ttl} IN {rtype} {rdata}\n" for owner, ttl, rtype, rdata in zone.records)


def _apex_records(zone: Zone, apex: str) -> list[Record]:
    assert zone.soa is not None
    return [(apex, zone.ttl, "SOA", zone.soa.text())] + [(apex, zone.ttl, "NS", name) for name in (zone.ns or (apex,))]


def _empty_records(apex: str) -> list[Record]:
    soa = Soa(apex, "nobody.invalid.", 1, 3600, 1200, 604800, 10800)
    records: list[Record] = [(apex, EMPTY_TTL, "SOA", soa.text()), (apex, EMPTY_TTL, "NS", apex)]
    if apex == "127.in-addr.arpa.":
        records.append((f"1.0.0.{apex}", EMPTY_TTL, "PTR", "localhost."))
    if apex == owner_of(IPv6Address("::1")):
        records.append((apex, EMPTY_TTL, "PTR", "localhost."))
    if apex == "resolver.arpa.":
        # RFC 9462: NODATA at _dns.resolver.arpa and below, which is what a wildcard of an odd type gives.
        records.append((f"*._dns.{apex}", EMPTY_TTL, "TYPE65300", "\\# 0"))
    return records


def _records_of(zone: Zone) -> Iterator[Record]:
    for address, (ttl, names) in zone.ptr.items():
        yield from ((owner_of(address), ttl, "PTR", name) for name in names)
    for block, servers in zone.delegations.items():
        classless = block.version == 4 and block.prefixlen > 24
        owners = [classless_label(block)] if classless else [apex_of(part) for part in cut_blocks(block)]
        for owner in owners:
            yield from ((owner, zone.ttl, "NS", name) for name in servers)
        for name, addresses in servers.items():
            if name.endswith(".arpa."):
                yield from ((name, zone.ttl, "AAAA" if ":" in address else "A", address) for address in addresses)
        if classless:
            for address in block:
                last = str(address).rpartition(".")[2]
                yield owner_of(address), zone.ttl, "CNAME", f"{last}.{owners[0]}"


def _home_of(owner: str, apexes: dict[str, list[Record]]) -> str:
    """The most specific zone that holds `owner`."""
    name = owner
    while name not in apexes:
        name = name.partition(".")[2]
        assert name, owner
    return name


def _parent_of(apex: str, apexes: dict[str, list[Record]]) -> str | None:
    name = apex.partition(".")[2]
    while name and name not in apexes:
        name = name.partition(".")[2]
    return name or None
