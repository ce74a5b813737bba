"""What one answer to a probe says of a resolver: who made it, and so whether the query leaked.

RFC 2308 section 2 (kinds of negative answers). The name that was asked for does not exist anywhere, so whoever says so
with an SOA gives itself away, and whoever says that it exists made it up.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address

from blackhole_guard.leaks.signatures import Kind, find_program_of, find_sink_of
from blackhole_guard.reserved.addresses import IN_ADDR_ARPA, IP6_ARPA, Block
from blackhole_guard.reserved.registry import ZONES, ReservedZone, Sink
from blackhole_guard.wire.asking import Record, Reply, Section, SoaRecord
from blackhole_guard.wire.codes import RCode, RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import AA
from blackhole_guard.wire.names import ROOT, format_name, is_subdomain, pack_name

_EMPTY_AS112 = pack_name("empty.as112.arpa")
# systemd-resolved and Knot Resolver have a PTR for any name below loopback's.
_LOOPBACK = frozenset(zone.apex for zone in ZONES if zone.what == "loopback")
_LOCALHOST = pack_name("localhost")
_NOBODY = pack_name("nobody.invalid")  # RNAME of an empty zone (RFC 6303 section 3)
# The serial of a zone that a map made is the unix time when it changed last. From 2,020,010,100 on, serials are dates,
# as people write them.
_TIMES = range(1_577_836_800, 2_020_000_000)  # 2020 to 2034
_PARENTS = {ROOT: Sink.ROOT, pack_name("arpa"): Sink.ARPA, IN_ADDR_ARPA: Sink.ARPA, IP6_ARPA: Sink.ARPA}
_NAMES = frozenset((RRType.NS, RRType.CNAME, RRType.PTR, RRType.DNAME))
_ADDRESSES = frozenset(((RRType.A, 4), (RRType.AAAA, 16)))  # and the octets that they have
_ALIASES = frozenset((RRType.CNAME, RRType.DNAME))


class Verdict(StrEnum):
    """What becomes of queries for a reserved zone at a resolver."""

    OURS = "ours"  # the answer is this server's
    LOCAL = "local"  # the resolver, or another server of this network, answers from a zone of its own
    LEAKS = "leaks"  # the query went to a sink
    HIJACKED = "hijacked"  # data for a name that cannot exist
    REFUSED = "refused"  # the query ended there
    SERVFAIL = "servfail"  # the resolver got no answer, or none that it believes
    ERROR = "error"  # another RCODE, a referral, or an answer that cannot be read
    TIMEOUT = "timeout"  # no answer
    UNCLEAR = "unclear"  # a negative answer that does not say whose it is


# Of several verdicts the first of these counts.
WORST_FIRST = (
    *(Verdict.HIJACKED, Verdict.LEAKS, Verdict.TIMEOUT, Verdict.SERVFAIL, Verdict.ERROR, Verdict.UNCLEAR),
    *(Verdict.REFUSED, Verdict.LOCAL, Verdict.OURS),
)
SICK = frozenset((Verdict.HIJACKED, Verdict.LEAKS))
UNKNOWN = frozenset((Verdict.TIMEOUT, Verdict.SERVFAIL, Verdict.ERROR, Verdict.UNCLEAR))  # where queries end


@dataclass(frozen=True, slots=True)
class Known:
    """What the doctor knows of our own configuration."""

    soas: frozenset[tuple[bytes, bytes, bytes]]  # of zones that we serve: owner, MNAME, RNAME; lower case
    delegated: Collection[Block] = ()
    mapped: tuple[tuple[bytes, frozenset[bytes]], ...] = ()  # a sample: owner and names of its PTRs; lower case
    serials: Mapping[bytes, int] = field(default_factory=dict)  # apex -> the serial, where it is known and above 1


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, and how long it took."""

    reply: Reply
    seconds: float  # from the first try


Outcome = Answered | Silence


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says."""

    verdict: Verdict
    what: str  # why, in words; printable
    sink: Sink | None = None  # of LEAKS and HIJACKED: as the answer shows it; None: it does not
    soa: SoaRecord | None = None
    program: Kind | None = None  # of LOCAL: what the resolver is, where it answers from an empty zone of its own
    is_empty: bool = False  # of UNCLEAR: NOERROR, and nothing besides
    may_be_ours: bool = False  # of LOCAL: by the SOA it could be


def read_outcome(zone: ReservedZone, qname: bytes, outcome: Outcome, known: Known) -> Reading:
    """Say what the outcome of a question for a name that does not exist says.

    Args:
        zone: that `qname` is in.
        qname: of `make_probe`.
    """
    if isinstance(outcome, Silence):
        return Reading(Verdict.TIMEOUT, outcome.reason)
    try:
        return _read_reply(zone, qname, outcome.reply, known)
    except WireError as error:
        return Reading(Verdict.ERROR, f"an answer that cannot be read: {error}")


def settle(doubtful: Reading, outcome: Outcome) -> Reading:
    """Make up one's mind about a negative answer that does not say whose it is, by what a query with RD=0 got.

    A local zone says the same to everybody; a cache has nothing of a fresh name, and says so in one of several ways:
    a referral, SERVFAIL, REFUSED, or an answer with nothing in it (PowerDNS Recursor).
    Args:
        doubtful: what the query with RD=1 got.
        outcome: of a query with RD=0 for another fresh name.
    """
    if isinstance(outcome, Silence):
        return doubtful
    reply = outcome.reply
    is_empty = _is_empty(reply)
    if (
        reply.rcode == RCode.NXDOMAIN
        or (reply.rcode == RCode.NOERROR and reply.find(Section.AUTHORITY, RRType.SOA))
        or (is_empty and doubtful.is_empty)
    ):
        return Reading(Verdict.LOCAL, f"{doubtful.what}, also to RD=0: a zone of its own")
    is_referral = reply.rcode == RCode.NOERROR and bool(reply.find(Section.AUTHORITY, RRType.NS))
    if not (is_empty or is_referral or reply.rcode in (RCode.SERVFAIL, RCode.REFUSED)):
        return doubtful
    if reply.rcode == RCode.REFUSED and doubtful.soa is None:
        return doubtful  # some refuse whatever comes with RD=0, systemd-resolved among them
    sink = None if doubtful.soa is None else _PARENTS.get(doubtful.soa.owner, Sink.RIR)
    return Reading(Verdict.LEAKS, f"{doubtful.what}, but not to RD=0", sink, doubtful.soa)


def _read_reply(zone: ReservedZone, qname: bytes, reply: Reply, known: Known) -> Reading:
    if reply.rcode == RCode.REFUSED:
        return Reading(Verdict.REFUSED, "REFUSED")
    if reply.rcode == RCode.SERVFAIL:
        return Reading(Verdict.SERVFAIL, "SERVFAIL")
    if reply.rcode not in (RCode.NOERROR, RCode.NXDOMAIN):
        return Reading(Verdict.ERROR, f"RCODE {reply.rcode}")
    answers = [record for record in reply.records if record.section == Section.ANSWER]
    if answers and (data := _read_answers(zone, reply, answers)) is not None:
        return data
    soas = reply.find(Section.AUTHORITY, RRType.SOA)
    if soas:
        return _read_soa(zone, qname, reply.soa(soas[0]), known, has_authority=bool(reply.flags & AA))
    if reply.rcode == RCode.NOERROR and reply.find(Section.AUTHORITY, RRType.NS):
        return Reading(Verdict.ERROR, "a referral: it does not recurse for us")
    if reply.flags & AA:
        return Reading(Verdict.LOCAL, "no SOA, but AA: an answer of its own")
    return Reading(Verdict.UNCLEAR, "an alias, and no SOA" if answers else "no SOA", is_empty=_is_empty(reply))


def _is_empty(reply: Reply) -> bool:
    return reply.rcode == RCode.NOERROR and not reply.records


def _read_answers(zone: ReservedZone, reply: Reply, answers: list[Record]) -> Reading | None:
    """Judge data for a name that does not exist; None: an alias without data at its end, whose SOA tells more."""
    if zone.apex in _LOOPBACK and all(_is_localhost(reply, record) for record in answers):
        return Reading(Verdict.LOCAL, "localhost, for whatever is asked below loopback")
    for record in answers:
        if record.rtype in _ALIASES and is_subdomain(reply.target(record).lower(), of=_EMPTY_AS112):
            return Reading(Verdict.LEAKS, f"an alias: {_format_record(reply, record)}", Sink.AS112_DNAME)
    data = [record for record in answers if record.rtype not in _ALIASES]
    if not data:
        return None
    return Reading(Verdict.HIJACKED, f"a name that cannot exist has {_format_record(reply, data[0])}")


def _is_localhost(reply: Reply, record: Record) -> bool:
    return record.rtype == RRType.PTR and reply.target(record).lower() == _LOCALHOST


def _read_soa(zone: ReservedZone, qname: bytes, soa: SoaRecord, known: Known, *, has_authority: bool) -> Reading:
    shown = f"SOA {format_name(soa.owner)} {format_name(soa.mname)}"
    if (soa.owner, soa.mname, soa.rname) in known.soas:
        if soa.mname != soa.owner or soa.rname != _NOBODY:
            return Reading(Verdict.OURS, "an SOA of ours", soa=soa)
        if soa.serial in _TIMES or soa.serial == known.serials.get(soa.owner):
            return Reading(Verdict.OURS, "an SOA of ours, by its serial", soa=soa)
        what = "an empty zone as RFC 6303 has it: ours, or another server's"
        return Reading(Verdict.LOCAL, what, soa=soa, may_be_ours=True)
    sink = find_sink_of(soa)
    if sink is not None:
        return Reading(Verdict.LEAKS, shown, sink, soa)
    program = find_program_of(soa, qname, zone.apex)
    if program is not None:
        # Without AA it may be another one's, behind the one that we ask.
        own = program if has_authority else None
        return Reading(Verdict.LOCAL, f"an empty zone as {program} has it", soa=soa, program=own)
    if is_subdomain(soa.owner, of=zone.apex):
        # In the public DNS nobody has a zone here but the sinks.
        return Reading(Verdict.LOCAL, f"{shown}, a server of this network", soa=soa)
    if not is_subdomain(zone.apex, of=soa.owner):
        return Reading(Verdict.ERROR, f"{shown}, a zone that the name is not in", soa=soa)
    if has_authority:
        return Reading(Verdict.LOCAL, f"{shown}, a zone above, with AA: one of its own", soa=soa)
    return Reading(Verdict.UNCLEAR, f"{shown}, a zone above", soa=soa)


def _format_record(reply: Reply, record: Record) -> str:
    """Write a record for people. Raises WireError."""
    if record.rtype in _NAMES:
        return f"{RRType(record.rtype).name} {format_name(reply.target(record))}"
    if record.rtype == RRType.SOA:
        return f"SOA {format_name(reply.soa(record).mname)}"
    octets = reply.octets[record.start : record.end]
    if record.rclass == RRClass.IN and (record.rtype, len(octets)) in _ADDRESSES:
        return f"{RRType(record.rtype).name} {ip_address(octets)}"
    return f"TYPE{record.rtype}, {len(octets)} octets"
