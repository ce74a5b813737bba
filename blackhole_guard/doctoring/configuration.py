"""What our own configuration tells the doctor: whose SOA is ours, what is delegated, which names must come out."""

from collections.abc import Iterable
from dataclasses import replace
from random import SystemRandom

from blackhole_guard.leaks.verdicts import Known
from blackhole_guard.reserved.addresses import parse_reverse_prefix, reverse_name
from blackhole_guard.reserved.registry import find_reserved_name
from blackhole_guard.wire.names import find_name_end
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.zone_set import ZoneSet

SAMPLE = 8  # mapped addresses that are asked for: one would do, were it not for those that are wrong in part
_TRIES = 8 * SAMPLE


def make_known(zones: ZoneSet) -> Known:
    """Take from the zones what tells our answers from others'.

    The SOA's serial is left out: the server moves it. Which mapped addresses are asked for is drawn anew each time.
    """
    known = know_zones((zone.soa for zone in zones.zones.values()), zones.cuts)
    return replace(known, mapped=_sample(zones))


def know_zones(soas: Iterable[RRset], cuts: Iterable[bytes]) -> Known:
    """Take the same from the SOAs of our zones and the owner names of our delegations, without any mapped names."""
    blocks = (parse_reverse_prefix(owner) for owner in cuts)
    return Known(frozenset(map(_names_of, soas)), tuple(block for block in blocks if block is not None))


def _names_of(soa: RRset) -> tuple[bytes, bytes, bytes]:
    rdata = soa.rdatas[0].lower()
    mname = find_name_end(rdata, 0)
    return soa.owner, rdata[:mname], rdata[mname : find_name_end(rdata, mname)]


def _sample(zones: ZoneSet) -> tuple[tuple[bytes, frozenset[bytes]], ...]:
    """Draw mapped addresses of the reserved space; those that are built in (localhost) prove nothing."""
    random = SystemRandom()
    found: dict[bytes, frozenset[bytes]] = {}
    for _ in range(_TRIES):
        columns = random.choice(zones.ptr)
        if len(found) == SAMPLE or not columns.addresses:
            continue
        row = columns.row(random.randrange(len(columns.addresses)))
        owner = reverse_name(row.address)
        if row.place is not None and find_reserved_name(owner) is not None:
            found[owner] = frozenset(name.lower() for name in row.names)
    return tuple(found.items())
