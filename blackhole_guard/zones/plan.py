"""Which zones there are: the registry's and those of maps, less those that are switched off.

RFC 6303 section 3 (what an empty zone holds). A map wins over a built-in zone and a longer prefix over a shorter,
whatever the order of files. A block is exact: it is as many zones as its prefix needs, and an IPv4 block of /25 to /31
is none, but lives in the zone that covers it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from blackhole_guard.config.maps import ZoneMap
from blackhole_guard.config.settings import Defaults, ReservedSettings, Soa
from blackhole_guard.config.values import Block
from blackhole_guard.reserved.addresses import apexes, enclosing_zone_block, split_block
from blackhole_guard.reserved.registry import ZONES, ReservedZone, find_block
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.findings import Findings
from blackhole_guard.zones.groups import MapGroup
from blackhole_guard.zones.zone_set import Zone

EMPTY_TTL = 10800  # seconds, of a built-in zone's records (RFC 6303 section 3)
# What an SOA says where neither map nor defaults do: REFRESH, RETRY, EXPIRE, MINIMUM of RFC 6303 section 3.
_TIMES = {"refresh": 3600, "retry": 1200, "expire": 604800, "minimum": 10800}
_NOBODY = pack_name("nobody.invalid")

_T = TypeVar("_T")


@dataclass(slots=True)
class _Draft:
    """A zone with the maps that speak of it, those of the longest prefix first."""

    apex: bytes
    block: Block | None
    label: str
    ledger: str | None
    groups: list[MapGroup] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """The zones, and who made them."""

    zones: dict[bytes, Zone]  # in the order of ZoneSet.zones
    blocks: dict[Block, Zone]
    deciders: dict[bytes, MapGroup]  # apex -> the map group of the longest prefix; built-in zones are not in it
    maps: tuple[ZoneMap, ...]  # whose entries are served
    switched_off: tuple[MapGroup, ...]

    def find_zone(self, block: Block) -> Zone | None:
        """Find the smallest zone that holds all of a block."""
        return next((self.blocks[each] for each in widen(block) if each in self.blocks), None)


def plan_zones(groups: Iterable[MapGroup], defaults: Defaults, reserved: ReservedSettings, findings: Findings) -> Plan:
    """Decide on the zones and their apex records."""
    groups = tuple(groups)
    drafts = {row.apex: _draft_built_in(row) for row in ZONES if (reserved.extras if row.extra else reserved.serve)}
    for group in sorted(groups, key=_shortest_first):
        if not _is_part(group.block):
            _draft_group(group, drafts)
    for apex in [apex for apex, draft in drafts.items() if draft.groups and draft.groups[0].off]:
        del drafts[apex]
    zones = {draft.apex: _make_zone(draft, defaults) for draft in sorted(drafts.values(), key=_order)}
    plan = Plan(
        zones=zones,
        blocks={zone.block: zone for zone in zones.values() if zone.block is not None},
        deciders={apex: draft.groups[0] for apex, draft in drafts.items() if draft.groups},
        maps=tuple(each for group in groups if not group.off for each in group.maps),
        switched_off=tuple(group for group in groups if group.off),
    )
    _check_groups(groups, plan, findings)
    return plan


def widen(block: Block) -> Iterator[Block]:
    """Walk from a block to all that hold it, the smallest first."""
    return (block.supernet(new_prefix=length) for length in range(block.prefixlen, -1, -1))


def _is_part(block: Block | None) -> bool:
    """Whether a block is no zone, but lives in the one that covers it."""
    return block is not None and block.version == 4 and 24 < block.prefixlen < 32


def _shortest_first(group: MapGroup) -> int:
    return 0 if group.block is None else group.block.prefixlen


def _order(draft: _Draft) -> tuple[int, bytes, int, str]:
    if draft.block is None:
        return 9, b"", 0, draft.label
    return draft.block.version, draft.block.network_address.packed, draft.block.prefixlen, draft.label


def _draft_built_in(row: ReservedZone) -> _Draft:
    label = str(row.network) if row.network is not None else row.block
    return _Draft(row.apex, row.network, label, row.block)


def _draft_group(group: MapGroup, drafts: dict[bytes, _Draft]) -> None:
    """Enter a group at each zone that its block is; the groups come with growing prefixes."""
    if group.block is None:
        apex = pack_name(group.name).lower()
        drafts.setdefault(apex, _Draft(apex, None, group.name, group.name)).groups.insert(0, group)
        return
    for apex, block in zip(apexes(group.block), split_block(group.block), strict=True):
        draft = drafts.setdefault(apex, _Draft(apex, block, str(block), find_block(block)))
        draft.groups.insert(0, group)


def _make_zone(draft: _Draft, defaults: Defaults) -> Zone:
    if not draft.groups:
        soa = _render_soa(draft.apex, EMPTY_TTL, draft.apex, Soa(), Soa())
        ns = RRset(draft.apex, RRType.NS, EMPTY_TTL, (draft.apex,))
        return Zone(draft.apex, draft.block, draft.label, draft.ledger, EMPTY_TTL, soa, ns, None, None)
    groups = draft.groups
    ttl = _first(groups, lambda group: group.ttl)
    ttl = defaults.ttl if ttl is None else ttl
    servers = _first(groups, lambda group: group.ns) or tuple(map(pack_name, defaults.ns)) or (draft.apex,)
    said = msgspec.convert({name: _first_of_soa(groups, name) for name in Soa.__struct_fields__}, Soa)
    serial = defaults.soa.serial if said.serial is None else said.serial
    soa = _render_soa(draft.apex, ttl, servers[0], said, defaults.soa)
    return Zone(
        draft.apex,
        draft.block,
        draft.label,
        draft.ledger,
        ttl,
        soa,
        RRset(draft.apex, RRType.NS, ttl, servers),
        serial,
        groups[0].place,
    )


def _first(groups: Iterable[MapGroup], get: Callable[[MapGroup], _T | None]) -> _T | None:
    """Take what the most specific map says."""
    return next((value for value in map(get, groups) if value is not None), None)


def _first_of_soa(groups: Iterable[MapGroup], name: str) -> object:
    return _first(groups, lambda group: getattr(group.soa, name))


def _render_soa(apex: bytes, ttl: int, first_ns: bytes, said: Soa, defaults: Soa) -> RRset:
    """Make the SOA; its serial is 0 where none is given (RFC 1035 section 3.3.13)."""

    def pick(name: str, otherwise: object) -> object:
        value = getattr(said, name)
        value = getattr(defaults, name) if value is None else value
        return otherwise if value is None else value

    mname, rname = pick("mname", None), pick("rname", None)
    names = (pack_name(str(mname)) if mname else first_ns) + (pack_name(str(rname)) if rname else _NOBODY)
    numbers = [pick("serial", 0), *(pick(name, seconds) for name, seconds in _TIMES.items())]
    rdata = names + b"".join(int(str(number)).to_bytes(4, "big") for number in numbers)
    return RRset(apex, RRType.SOA, ttl, (rdata,))


def _check_groups(groups: Iterable[MapGroup], plan: Plan, findings: Findings) -> None:
    for group in groups:
        if group.block is None:
            continue
        if _is_part(group.block):
            if plan.find_zone(group.block) is None:
                _refuse_part(group, findings)
        elif group.off:
            _note_wider(group, plan, findings)


def _refuse_part(group: MapGroup, findings: Findings) -> None:
    """There is no zone that covers a block of /25 to /31, and the next larger one is not what the operator wrote."""
    assert group.block is not None
    whole = enclosing_zone_block(group.block)
    what = f"{group.block} is a part of the zone {whole}, and no zone that is served covers it"
    hint = f"serve the zone around it, or write a map `zone: {whole}` if all of it is yours to name"
    findings.error(group.place, what, hint)


def _note_wider(group: MapGroup, plan: Plan, findings: Findings) -> None:
    assert group.block is not None
    wider = plan.find_zone(group.block)
    if wider is not None:
        switch = next(each.places["serve"] for each in group.maps if "serve" in each.places)
        what = f"{group.name} is switched off, but {wider.label} is served and holds it: its names do not exist"
        findings.warning(switch, what, "delegate the block to the server that has it, or delete this map")
