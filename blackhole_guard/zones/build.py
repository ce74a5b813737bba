"""Maps and settings -> ZoneSet, with everything that maps contradict each other in."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network

from blackhole_guard.config.maps import PtrTable, Sources, ZoneMap
from blackhole_guard.config.problems import Problem
from blackhole_guard.config.settings import Settings
from blackhole_guard.reserved.registry import LOCALHOST
from blackhole_guard.wire.columns import Addresses, Values
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.values import count_ptrs, make_ptrs
from blackhole_guard.zones.columns import drop_rows, format_names, merge_tables
from blackhole_guard.zones.cuts import find_parents, make_cuts
from blackhole_guard.zones.findings import Findings
from blackhole_guard.zones.groups import group_maps
from blackhole_guard.zones.plan import Plan, plan_zones
from blackhole_guard.zones.segments import Segments
from blackhole_guard.zones.servers import find_hosts
from blackhole_guard.zones.zone_set import Cut, PtrColumns, Zone, ZoneSet

_MOST_SHOWN = 20  # PTRs below one delegation; more of them are said in one line
_LOCALHOST_NAME = pack_name("localhost")


def build_zones(sources: Sources, settings: Settings) -> tuple[ZoneSet, tuple[Problem, ...]]:
    """Build all zones. The rows of several maps' PTR tables are moved, not copied, so sources are built once.

    Returns:
        The zones; and the errors and warnings of what maps say together, sorted by place. With errors among them the
        zones are good for explaining, not for serving. A single address has at most as many PTRs as `sources` let
        through: what two maps say differently of it is an error, so merging never adds any.
    """
    findings = Findings()
    plan = plan_zones(group_maps(sources.maps, findings), settings.defaults, settings.reserved, findings)
    cuts = make_cuts(plan, settings.defaults, findings)
    segments = tuple(Segments(_of_family(plan, version)) for version in (4, 6))
    hosts = find_hosts(plan, cuts.cuts, findings)
    columns = []
    for version, family in zip((4, 6), segments, strict=True):
        ptr = merge_tables(_tables(plan, family, cuts.cuts, version), findings)
        _drop_homeless(ptr, family, plan, findings)
        _refuse_delegated(ptr, family, cuts.cuts, version, findings)
        columns.append(ptr)
    counts = _count_records(columns, segments)
    zone_set = ZoneSet(
        zones={apex: replace(zone, records=counts.get(apex, 0)) for apex, zone in plan.zones.items()},
        cuts=cuts.cuts,
        parent_sides=find_parents(plan, cuts.cuts.values()),
        hosts=hosts,
        ptr=(columns[0], columns[1]),
        segments=tuple(segment for family in segments for segment in family),
        aliases=cuts.aliases,
    )
    return zone_set, findings.all()


def _of_family(plan: Plan, version: int) -> list[Zone]:
    return [zone for zone in plan.zones.values() if zone.block is not None and zone.block.version == version]


def _tables(plan: Plan, segments: Segments, cuts: Mapping[bytes, Cut], version: int) -> list[tuple[str, PtrTable]]:
    """Take the tables of one address family, and the PTR of localhost where no map has one (RFC 6303 section 4.2)."""
    maps = [each for each in plan.maps if each.block is not None and each.block.version == version]
    tables = [(each.place.file, each.ptr) for each in maps]
    address = LOCALHOST[version == 6]
    apex = segments.find(address)
    if apex is not None and not _is_said(address, maps, apex, cuts):
        value = make_ptrs(_LOCALHOST_NAME, plan.zones[apex].ttl)
        tables.append(("", PtrTable(Addresses((address,)), Values((value,)))))
    return tables


def _is_said(address: bytes, maps: list[ZoneMap], apex: bytes, cuts: Mapping[bytes, Cut]) -> bool:
    """Whether a map names or delegates an address."""
    single = ip_address(address)
    if any(cut.apex == apex and cut.block.version == single.version and single in cut.block for cut in cuts.values()):
        return True
    return any(each.block is not None and single in each.block and address in each.ptr.addresses for each in maps)


def _drop_homeless(ptr: PtrColumns, segments: Segments, plan: Plan, findings: Findings) -> None:
    """Drop the entries whose zone another map switches off."""
    housed = sum(len(ptr.between(segment.first, segment.last)) for segment in segments)
    if housed == len(ptr.addresses):
        return
    gone = {row for row, address in enumerate(ptr.addresses) if segments.find(address) is None}
    for row in gone:
        place, address = ptr.origins.place(row), ip_network(ptr.addresses[row])
        switch = next(
            (
                each
                for group in plan.switched_off
                for each in group.maps
                if each.block is not None
                and each.block.version == address.version
                and address.network_address in each.block
                and "serve" in each.places
            ),
            None,
        )
        if place is not None and switch is not None:
            what = f"{address.network_address} is not served: {switch.places['serve']} switches {switch.name} off"
            findings.warning(place, what, "delete the entry, or `serve: false` there")
    drop_rows(ptr, gone)


def _refuse_delegated(
    ptr: PtrColumns, segments: Segments, cuts: Mapping[bytes, Cut], version: int, findings: Findings
) -> None:
    """Note the PTRs that stand below a delegation of their zone: nobody would ever see them."""
    for cut in cuts.values():
        if cut.block.version != version:
            continue
        first, last = cut.block.network_address.packed, cut.block.broadcast_address.packed
        rows = [
            row
            for segment in segments.within(first, last)
            if segment.apex == cut.apex
            for row in ptr.between(segment.first, segment.last)
        ]
        for row in rows[:_MOST_SHOWN]:
            address, place = ip_address(ptr.addresses[row]), ptr.origins.place(row)
            assert place is not None
            names = format_names(ptr.read(row).rdatas)
            what = f"{address} ({names}) lies in {cut.block}, which is delegated at {cut.place}"
            findings.error(place, what, "delete the entry, or the delegation")
        if len(rows) > _MOST_SHOWN:
            place = ptr.origins.place(rows[_MOST_SHOWN])
            assert place is not None
            what = f"{len(rows) - _MOST_SHOWN} more entries lie in {cut.block}, which is delegated at {cut.place}"
            findings.error(place, what, "delete them, or the delegation")


def _count_records(columns: list[PtrColumns], families: tuple[Segments, ...]) -> dict[bytes, int]:
    """Count the PTRs of each zone."""
    counts: dict[bytes, int] = {}
    for ptr, segments in zip(columns, families, strict=True):
        for segment in segments:
            rows = len(ptr.between(segment.first, segment.last))
            counts[segment.apex] = counts.get(segment.apex, 0) + rows
        if ptr.values.has_entries_only:
            continue
        for row, value in enumerate(ptr.values):
            if (number := count_ptrs(value)) > 1:  # each counts as one row already
                apex = segments.find(ptr.addresses[row])
                assert apex is not None
                counts[apex] += number - 1
    return counts
