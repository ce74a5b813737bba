"""Delegations of maps -> zone cuts, and the CNAMEs of blocks below /24.

RFC 1034 section 4.2.1 (cuts and glue), RFC 2317 section 4 (`64/26` and the CNAMEs into it). A block that ends between
two labels is several cuts. A zone of ours below a delegation wins, as a longer prefix always does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blackhole_guard.config.maps import MappedDelegation
from blackhole_guard.config.problems import Place
from blackhole_guard.config.settings import Defaults
from blackhole_guard.config.values import Block
from blackhole_guard.reserved.addresses import apexes, enclosing_zone_block, split_block
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import join_labels, split_labels
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.findings import Findings
from blackhole_guard.zones.plan import Plan, widen
from blackhole_guard.zones.zone_set import Alias, Cut, Zone


@dataclass(frozen=True, slots=True)
class _Delegation:
    """A delegation with the TTL of its map."""

    block: Block
    servers: dict[bytes, tuple[bytes, ...]]
    place: Place
    ttl: int


@dataclass(frozen=True, slots=True)
class Cuts:
    """What delegations become."""

    cuts: dict[bytes, Cut]  # owner -> cut
    aliases: tuple[Alias, ...]  # sorted by address


def make_cuts(plan: Plan, defaults: Defaults, findings: Findings) -> Cuts:
    """Make the cuts of all delegations."""
    cuts: dict[bytes, Cut] = {}
    aliases: list[Alias] = []
    for delegation in _collect(plan, defaults, findings):
        for owner, block in _parts(delegation.block):
            zone = plan.find_zone(block)
            if zone is not None and _is_ours_to_cut(zone, block, delegation, plan, findings):
                cuts[owner] = _make_cut(owner, block, zone, delegation)
    by_block = {(cut.apex, cut.block): cut for cut in cuts.values()}
    for cut in [cut for cut in cuts.values() if _is_occluded(cut, by_block, plan, findings)]:
        del cuts[cut.owner]
    for cut in cuts.values():
        if _is_classless(cut.block):
            aliases.extend(_make_aliases(cut, plan))
    return Cuts(cuts, tuple(sorted(aliases, key=lambda alias: alias.address)))


def _is_classless(block: Block) -> bool:
    return block.version == 4 and 24 < block.prefixlen < 32


def _collect(plan: Plan, defaults: Defaults, findings: Findings) -> Iterator[_Delegation]:
    """Put the delegations of all maps together: each block once."""
    found: dict[Block, MappedDelegation] = {}
    for each in plan.maps:
        for delegation in each.delegations:
            first = found.setdefault(delegation.block, delegation)
            if first is delegation:
                ttl = defaults.ttl if each.ttl is None else each.ttl
                yield _Delegation(delegation.block, delegation.servers, delegation.place, ttl)
            elif _fold(first) == _fold(delegation):
                what = f"{delegation.block} is delegated twice, first at {first.place}"
                findings.warning(delegation.place, what, "delete one of the two")
            else:
                what = f"{delegation.block} is delegated to other servers here than at {first.place}"
                findings.error(delegation.place, what, "name all servers in one of the two, and delete the other")


def _fold(delegation: MappedDelegation) -> dict[bytes, set[bytes]]:
    return {name.lower(): set(addresses) for name, addresses in delegation.servers.items()}


def _parts(block: Block) -> Iterator[tuple[bytes, Block]]:
    """Name the cuts of a block, and what each holds."""
    if _is_classless(block):
        first = block.network_address.packed[3]
        above = apexes(enclosing_zone_block(block))[0]
        yield join_labels((f"{first}/{block.prefixlen}".encode(), *split_labels(above))), block
    else:
        yield from zip(apexes(block), split_block(block), strict=True)


def _is_ours_to_cut(zone: Zone, block: Block, delegation: _Delegation, plan: Plan, findings: Findings) -> bool:
    """Say whether a part of a delegation is a cut. Where it is a whole zone, the longer prefix decides."""
    if zone.block != block:
        return True
    decider = plan.deciders.get(zone.apex)
    if decider is None or decider.block is None or decider.block.prefixlen < delegation.block.prefixlen:
        return True  # one zone of several that one map makes (172.20.0.0/16 in 172.16.0.0/12), or a built-in one
    if decider.block == delegation.block:
        what = f"{delegation.block} is delegated here, but is a zone of ours at {decider.place}"
        findings.error(delegation.place, what, "delete one of the two")
    return False


def _make_cut(owner: bytes, block: Block, zone: Zone, delegation: _Delegation) -> Cut:
    servers = delegation.servers
    ns = RRset(owner, RRType.NS, delegation.ttl, tuple(servers))
    glue = tuple(each for name, addresses in servers.items() for each in render_addresses(name, addresses, ns.ttl))
    return Cut(owner, block, zone.apex, ns, glue, delegation.place)


def render_addresses(name: bytes, addresses: Iterable[bytes], ttl: int) -> Iterator[RRset]:
    """Make the A and AAAA RRsets of a name server, as far as it has such addresses."""
    addresses = tuple(dict.fromkeys(addresses))
    for rtype, length in ((RRType.A, 4), (RRType.AAAA, 16)):
        if rdatas := tuple(address for address in addresses if len(address) == length):
            yield RRset(name.lower(), rtype, ttl, rdatas)


def _is_occluded(cut: Cut, by_block: dict[tuple[bytes, Block], Cut], plan: Plan, findings: Findings) -> bool:
    """Say whether another delegation of the same zone holds this one: nobody would ever be referred to it."""
    zone = plan.zones[cut.apex]
    for block in widen(cut.block):
        other = by_block.get((cut.apex, block))
        if other is not None and other is not cut:  # the parts of one delegation never hold one another
            assert cut.place is not None
            what = f"{cut.block} lies in {other.block}, which is delegated at {other.place}"
            findings.error(cut.place, what, "delete one of the two: only the servers of the larger block are asked")
            return True
        if block == zone.block:
            break
    return False


def _make_aliases(cut: Cut, plan: Plan) -> Iterator[Alias]:
    """Make the CNAMEs of a block: `65.2.1.10.in-addr.arpa` to `65.64/26.2.1.10.in-addr.arpa`, and so on."""
    labels = split_labels(cut.owner)
    for single in cut.block.subnets(new_prefix=32):
        zone = plan.find_zone(single)
        if zone is not None and zone.apex == cut.apex:  # else a zone of ours lies between
            address = single.network_address.packed
            yield Alias(address, join_labels((str(address[3]).encode(), *labels)), cut.ns.ttl)


def find_parents(plan: Plan, cuts: Iterable[Cut]) -> tuple[Cut, ...]:
    """Make the parent sides of zones of ours: NS records in the zone above, where the zone has name servers of its own.

    A secondary that has only the zone above refers to them; a zone without name servers has nobody to refer to.
    """
    delegated = {(cut.apex, cut.block) for cut in cuts}
    found = []
    for zone in plan.zones.values():
        if zone.block is None or zone.ns.rdatas == (zone.apex,):
            continue
        above = list(widen(zone.block))[1:]
        parent = next((plan.blocks[each] for each in above if each in plan.blocks), None)
        if parent is not None and not any((parent.apex, each) in delegated for each in above):
            found.append(Cut(zone.apex, zone.block, parent.apex, zone.ns, (), None))
    return tuple(found)
