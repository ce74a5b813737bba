"""A ZoneReader in memory, made of master-file lines, and queries to ask it with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.policy import Policy, make_policy
from blackhole_guard.answering.tally import Tally
from blackhole_guard.wire.names import pack_name, suffixes
from blackhole_guard.wire.records import RRset

SOA = "SOA ns1.example.com. admin.example.com. 2009012501 28800 604800 604800 300"
CLIENT = ip_address("10.9.9.9").packed
STRANGER = ip_address("192.0.2.1").packed


def rrset(owner: str, line: str, *more: str) -> RRset:
    """Make an RRset of `TYPE RDATA` lines, or of `TTL TYPE RDATA` ones. TTL 3600 when none is given."""
    ttl, rtype, _ = line.split(maxsplit=2) if line[0].isdigit() else ("3600", *line.split(maxsplit=1))
    rdatas = []
    for each in (line, *more):
        text = each.split(rtype + " ", 1)[1]
        rdatas.append(dns.rdata.from_text("IN", rtype, text).to_wire())
    return RRset(pack_name(owner.lower()), int(dns.rdatatype.from_text(rtype)), int(ttl), tuple(rdatas))


@dataclass(frozen=True)
class MemoryZone:
    apex: bytes
    block: str | None
    soa: RRset
    negative_soa: RRset


@dataclass(frozen=True)
class MemoryDelegation:
    owner: bytes
    ns: RRset
    glue: tuple[RRset, ...]


class MemoryZones:
    """Zones of dictionaries. `tests/answering` only: a snapshot is what answers for real."""

    def __init__(self) -> None:
        self._zones: dict[bytes, MemoryZone] = {}
        self._cuts: dict[bytes, MemoryDelegation] = {}
        self._rrsets: dict[bytes, list[RRset]] = {}
        self._ancestors: set[bytes] = set()

    def add_zone(self, apex: str, block: str | None, ns: str = "NS ns1.example.com.") -> None:
        soa = rrset(apex, SOA)
        self._zones[soa.owner] = MemoryZone(soa.owner, block, soa, replace(soa, ttl=300))
        self.add(soa)
        self.add(rrset(apex, ns))

    def add(self, records: RRset) -> None:
        self._rrsets.setdefault(records.owner, []).append(records)
        self._ancestors.update(list(suffixes(records.owner))[1:])

    def delegate(self, owner: str, ns: Iterable[str], glue: Iterable[RRset] = ()) -> None:
        records = rrset(owner, *(f"NS {name}" for name in ns))
        self._cuts[records.owner] = MemoryDelegation(records.owner, records, tuple(glue))
        self._ancestors.update(list(suffixes(records.owner))[1:])

    def find_enclosing(self, name: bytes) -> tuple[MemoryZone, MemoryDelegation | None] | None:
        cut = None
        for each in suffixes(name):
            if each in self._zones:
                return self._zones[each], cut
            cut = self._cuts.get(each, cut)
        return None

    def find_parent(self, apex: bytes) -> MemoryZone | None:
        found = self.find_enclosing(apex[1 + apex[0] :])
        return None if found is None or found[1] is not None else found[0]

    def find_rrsets(self, name: bytes) -> tuple[RRset, ...]:
        return tuple(self._rrsets.get(name, ()))

    def has_descendants(self, name: bytes) -> bool:
        return name in self._ancestors


def example_zones() -> MemoryZones:
    """10/8 with PTRs, ENTs, delegations of each kind and CNAMEs; a zone below a delegation; the zones with rules."""
    zones = MemoryZones()
    zones.add_zone("10.in-addr.arpa", "10.0.0.0/8")
    zones.add(rrset("3.0.0.10.in-addr.arpa", "14400 PTR web.example.com."))
    zones.add(rrset("4.0.0.10.in-addr.arpa", "PTR Db.Example.com.", "PTR db-primary.example.com."))
    zones.add(rrset("7.0.0.10.in-addr.arpa", *(f"PTR host-{n:03}.a-name-of-some-length.example." for n in range(100))))
    zones.delegate("20.10.in-addr.arpa", ["ad1.corp.example.com."], [rrset("ad1.corp.example.com", "A 10.20.0.10")])
    zones.delegate(
        "30.10.in-addr.arpa",
        [f"ns{n}.30.10.in-addr.arpa." for n in range(9)],
        [
            each
            for n in range(9)
            for each in (
                rrset(f"ns{n}.30.10.in-addr.arpa", "A 10.30.0.1"),
                rrset(f"ns{n}.30.10.in-addr.arpa", "AAAA fd00::1"),
            )
        ],
    )
    zones.delegate("64/26.2.1.10.in-addr.arpa", ["ad2.corp.example.com."])
    for octet in range(64, 68):
        zones.add(rrset(f"{octet}.2.1.10.in-addr.arpa", f"CNAME {octet}.64/26.2.1.10.in-addr.arpa."))
    zones.add(rrset("1.9.9.10.in-addr.arpa", "CNAME 3.0.0.10.in-addr.arpa."))
    zones.add(rrset("2.9.9.10.in-addr.arpa", "CNAME gone.9.9.10.in-addr.arpa."))
    zones.add(rrset("3.9.9.10.in-addr.arpa", "CNAME elsewhere.example.com."))
    zones.add(rrset("4.9.9.10.in-addr.arpa", "CNAME 9.9.10.in-addr.arpa."))
    zones.add(rrset("5.9.9.10.in-addr.arpa", "CNAME 5.9.9.10.in-addr.arpa."))
    zones.add(rrset("6.9.9.10.in-addr.arpa", "CNAME 20.10.in-addr.arpa."))
    zones.add_zone("5.1.10.in-addr.arpa", "10.0.0.0/8")
    zones.add_zone("5.20.10.in-addr.arpa", "10.0.0.0/8")
    zones.add(rrset("9.5.20.10.in-addr.arpa", "PTR below.example.com."))
    zones.add_zone("d.f.ip6.arpa", "fd00::/8")
    zones.add_zone("1." + "0." * 31 + "ip6.arpa", "::1/128")
    zones.add(rrset("1." + "0." * 31 + "ip6.arpa", "PTR localhost."))
    zones.add_zone("home.arpa", "home.arpa")
    zones.add_zone("resolver.arpa", "resolver.arpa")
    zones.add_zone("8.8.in-addr.arpa", None)
    return zones


def policy(**changes: object) -> Policy:
    """The default policy, changed."""
    settings: dict[str, object] = {
        "allow_query": ("local",),
        "recursive_clients": "refuse",
        "udp_payload_size": 1232,
        "version": None,
        "identity": None,
        "nsid": None,
    }
    return make_policy(**(settings | changes))


class Asker:
    """An engine over the example zones, asked in dnspython's words."""

    def __init__(self, **changes: object) -> None:
        self.tally = Tally()
        self.engine = Engine(example_zones(), policy(**changes), self.tally)

    def send(self, octets: bytes, *, source: bytes = CLIENT, tcp: bool = False) -> bytes | None:
        return self.engine.respond(octets, source, over_tcp=tcp)

    def ask(self, query: dns.message.Message, *, source: bytes = CLIENT, tcp: bool = False) -> dns.message.Message:
        response = self.send(query.to_wire(), source=source, tcp=tcp)
        assert response is not None
        return dns.message.from_wire(response)

    def counts(self, family: str) -> Mapping[tuple[str, ...], int]:
        """What was counted in a family since the last call, by the values of its labels."""
        return {key[1:]: n for key, n in self.tally.take().items() if key[0] == family}


def make_query(
    name: str, rtype: str = "PTR", *, rd: bool = False, rclass: str = "IN", **options: object
) -> dns.message.Message:
    query = dns.message.make_query(dns.name.from_text(name), rtype, rclass, **options)
    query.flags = dns.flags.Flag(dns.flags.RD if rd else 0)
    return query
