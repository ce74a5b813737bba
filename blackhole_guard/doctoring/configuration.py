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

    The SOA's serial is left out where the server moves it. Which mapped addresses are asked for is drawn anew.
    """
    known = know_zones((zone.soa for zone in zones.zones.values()), zones.cuts)
    return replace(known, mapped=_sample(zones))


def know_zones(soas: Iterable[RRset], cuts: Iterable[bytes]) -> Known:
    """Take the same from the SOAs of our zones and the owner names of our delegations, without any mapped names.

    Args:
        soas: with the serial 0 where the server moves it, or with the one that it has now.
    """
    soas = tuple(soas)
    blocks = (parse_reverse_prefix(owner) for owner in cuts)
    return Known(
        soas=frozenset(map(_names_of, soas)),
        serials={soa.owner: serial for soa in soas if (serial := _serial_of(soa)) > 1},  # 1 is everybody's (RFC 6303)
        delegated=tuple(block for block in blocks if block is not None),
    )


def _names_of(soa: RRset) -> tuple[bytes, bytes, bytes]:
    rdata = soa.rdatas[0].lower()
    mname = find_name_end(rdata, 0)
    return soa.owner, rdata[:mname], rdata[mname : find_name_end(rdata, mname)]


def _serial_of(soa: RRset) -> int:
    return int.from_bytes(
        soa.rdatas[0][-20:-16], "big"
    )  # it stands before four other numbers (RFC 1035 section 3.3.13)


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
