"""The answer that the zones have for a name and a type.

RFC 1034 section 4.3.2 without recursion; RFC 2308 (negative answers), RFC 4035 section 3.1.4.1 (DS is the parent's),
RFC 4592 section 2.2.2 (empty non-terminals exist), RFC 8482 section 4.1 (ANY: one RRset), RFC 9462 section 6.4.
Left out: wildcards and DNAME, which these zones do not have.
"""

from blackhole_guard.answering.answer import Answer, Outcome, Refusal
from blackhole_guard.answering.zone_reader import Delegation, ServedZone, ZoneReader
from blackhole_guard.reserved.registry import NODATA_NAMES
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import is_subdomain
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.response import Sections

# CNAMEs come of classless delegations alone and lead to one name; a chain is an operator's mistake, a loop another.
MAX_CNAMES = 8
# One RRset answers ANY: the one that people look for, where there are several.
_ANY_PREFERS = (RRType.PTR, RRType.CNAME, RRType.SOA)
_NODATA_NAMES = tuple(NODATA_NAMES)  # as `endswith` takes them


def find_answer(zones: ZoneReader, name: bytes, qtype: int, *, refer: bool) -> Answer:
    """Find what the zones answer in class IN.

    Args:
        name: lower case.
        refer: whether who asks can follow a referral. Otherwise what lies below a delegation is refused.
    Returns:
        An answer of outcome ANSWER, NODATA, NXDOMAIN, REFERRAL or REFUSED.
    """
    found = zones.find_enclosing(name)
    if found is None:
        return Answer(Outcome.REFUSED, refusal=Refusal.OUTSIDE)
    zone, cut = found
    if qtype == RRType.DS:
        parent = _find_parent_side(zones, name, zone, cut)
        if parent is not None:
            return _deny(Outcome.NODATA, parent, zone=zone, cut=cut)
    if cut is None:
        return _look_up(zones, zone, name, qtype, refer)
    if refer:
        return Answer(Outcome.REFERRAL, _referral((), cut), zone=zone, cut=cut)
    return Answer(Outcome.REFUSED, zone=zone, cut=cut, refusal=Refusal.DELEGATED)


def _look_up(zones: ZoneReader, zone: ServedZone, name: bytes, qtype: int, refer: bool) -> Answer:
    """Answer for a name that is in `zone` and below no delegation; follow CNAMEs as far as our zones go."""
    home = zone
    chain: tuple[RRset, ...] = ()
    while True:
        rrsets = zones.find_rrsets(name)
        if not rrsets:
            return _deny(Outcome.NODATA if _exists(zones, name) else Outcome.NXDOMAIN, zone, chain, zone=home)
        match = _select(rrsets, qtype)
        if match is not None:
            return Answer(Outcome.ANSWER, Sections(answer=(*chain, match)), authoritative=True, zone=home)
        cname = _select(rrsets, RRType.CNAME)
        if cname is None:
            return _deny(Outcome.NODATA, zone, chain, zone=home)
        chain = (*chain, cname)
        name = cname.rdatas[0].lower()
        found = zones.find_enclosing(name)
        if found is None or len(chain) == MAX_CNAMES:
            return Answer(Outcome.ANSWER, Sections(answer=chain), authoritative=True, zone=home)
        zone, cut = found
        if cut is not None:
            return _lead_on(chain, home, cut, refer)


def _lead_on(chain: tuple[RRset, ...], home: ServedZone, cut: Delegation, refer: bool) -> Answer:
    """Answer with CNAMEs that lead below a delegation, as those of RFC 2317 do.

    The CNAME is ours to give, so it goes to everybody: a forwarder that has a zone for the delegated name goes on from
    there. The referral goes to who can follow it.
    """
    if refer:
        return Answer(Outcome.REFERRAL, _referral(chain, cut), authoritative=True, zone=home)
    return Answer(Outcome.ANSWER, Sections(answer=chain), authoritative=True, zone=home)


def _find_parent_side(zones: ZoneReader, name: bytes, zone: ServedZone, cut: Delegation | None) -> ServedZone | None:
    """Find the zone that says whether there is a DS at `name`, where that is not the zone that holds the rest of it."""
    if cut is not None:
        return zone if cut.owner == name else None
    return zones.find_parent(name) if zone.apex == name else None


def _select(rrsets: tuple[RRset, ...], qtype: int) -> RRset | None:
    """Choose the one of some RRsets that answers a type."""
    if qtype == RRType.ANY:
        preferred = [rrset for wanted in _ANY_PREFERS for rrset in rrsets if rrset.rtype == wanted]
        return preferred[0] if preferred else rrsets[0]
    for rrset in rrsets:
        if rrset.rtype == qtype:
            return rrset
    return None


def _exists(zones: ZoneReader, name: bytes) -> bool:
    if zones.has_descendants(name):
        return True
    return name.endswith(_NODATA_NAMES) and any(is_subdomain(name, of=each) for each in _NODATA_NAMES)


def _deny(
    outcome: Outcome, by: ServedZone, chain: tuple[RRset, ...] = (), *, zone: ServedZone, cut: Delegation | None = None
) -> Answer:
    """Make a negative answer, with the SOA of the zone that says so. `zone` and `cut` are those of the question."""
    return Answer(outcome, Sections(chain, (by.negative_soa,)), True, zone, cut)


def _referral(chain: tuple[RRset, ...], cut: Delegation) -> Sections:
    # All glue is needed: an operator who wrote an address down meant that resolvers have no other way to it.
    return Sections(answer=chain, authority=(cut.ns,), additional=cut.glue)
