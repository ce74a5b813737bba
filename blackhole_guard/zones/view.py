"""A ZoneSet as `answering` asks for it: the same answers as from a snapshot, without writing one.

It fulfils the Protocols of `answering.zone_reader`. Look-ups walk through what is few and bisect what is many, so it is
for explaining one answer, not for serving.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from blackhole_guard.reserved.addresses import parse_reverse_name, parse_reverse_prefix
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import is_subdomain, suffixes
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.zone_set import Cut, Zone, ZoneSet


@dataclass(frozen=True, slots=True)
class ZoneOfView:
    """A zone as answers need it."""

    zone: Zone

    @property
    def apex(self) -> bytes:
        """Owner name of the SOA."""
        return self.zone.apex

    @property
    def block(self) -> str | None:
        """What the ledger enters its queries under; None: it is not reserved."""
        return self.zone.ledger

    @property
    def soa(self) -> RRset:
        """The SOA; its serial is 0 where the store keeps it."""
        return self.zone.soa

    @property
    def negative_soa(self) -> RRset:
        """The SOA of a negative answer (RFC 2308 section 3)."""
        minimum = int.from_bytes(self.zone.soa.rdatas[0][-4:], "big")
        return replace(self.zone.soa, ttl=min(self.zone.soa.ttl, minimum))


class ZoneView:
    """Answers a zone reader's questions from a ZoneSet."""

    def __init__(self, zones: ZoneSet) -> None:
        self._zones = zones
        self._few = [*zones.zones, *zones.cuts, *(host.owner for host in zones.hosts)]

    def find_enclosing(self, name: bytes) -> tuple[ZoneOfView, Cut | None] | None:
        """Find the deepest zone at or above a name, and the delegation between the two if there is one."""
        cut = None
        for each in suffixes(name):
            # At an apex, the zone is meant; but where all of a zone is delegated, so is its apex.
            cut = self._zones.cuts.get(each, cut)
            if each in self._zones.zones:
                return ZoneOfView(self._zones.zones[each]), cut
        return None

    def find_parent(self, apex: bytes) -> ZoneOfView | None:
        """Find the zone that holds the parent side of an apex; None: no zone of ours, or it is delegated away."""
        found = self.find_enclosing(apex[1 + apex[0] :])
        return None if found is None or found[1] is not None else found[0]

    def find_rrsets(self, name: bytes) -> tuple[RRset, ...]:
        """All RRsets at a name."""
        found = [host for host in self._zones.hosts if host.owner == name]
        if zone := self._zones.zones.get(name):
            found += [zone.soa, zone.ns]
        address = parse_reverse_name(name)
        if address is not None:
            if row := self._zones.find_ptr(address):
                found.append(RRset(name, RRType.PTR, row.ttl, row.names))
            if alias := self._zones.find_alias(address):
                found.append(RRset(name, RRType.CNAME, alias.ttl, (alias.target,)))
        return tuple(found)

    def has_descendants(self, name: bytes) -> bool:
        """Say whether any name below a name exists."""
        if any(each != name and is_subdomain(each, of=name) for each in self._few):
            return True
        block = parse_reverse_prefix(name)
        if block is None or block.prefixlen == block.max_prefixlen:
            return False
        rows = self._zones.ptr[block.version == 6].between(block.network_address.packed, block.broadcast_address.packed)
        aliases = (ip_address(alias.address) for alias in self._zones.aliases)
        return bool(rows) or (block.version == 4 and any(address in block for address in aliases))
