"""The doctor: asks one resolver about every reserved zone, and says what becomes of such queries there.

RFC 6303 (what a resolver should answer itself), RFC 4892 (id.server), RFC 6761 section 6.4 (invalid, which some answer
each in its way), RFC 4035 section 3.1.4.1 (DS belongs to the parent: a resolver must not ask us for home.arpa's), RFC
4035 section 4.9.3 (AD says that a resolver validates).
For each zone there are two questions for fresh names, PTR and SOA: applications look up hosts, clients that update look
for a zone, and some resolvers treat the two differently. Where an answer does not say whose it is, one more.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from blackhole_guard.leaks.exchanges import Exchanges, Limits, Question, Task
from blackhole_guard.leaks.signatures import Kind, find_program, find_program_of, find_program_of_error
from blackhole_guard.leaks.verdicts import (
    SICK,
    UNKNOWN,
    WORST_FIRST,
    Answered,
    Known,
    Outcome,
    Reading,
    Silence,
    Verdict,
    read_outcome,
    settle,
)
from blackhole_guard.reserved.probes import INVALID, Draw, make_invalid_name, make_probe
from blackhole_guard.reserved.registry import BLOCKS, ZONES, ReservedZone, Sink, find_reserved_name
from blackhole_guard.wire.asking import Reply, Section
from blackhole_guard.wire.codes import OptionCode, RCode, RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import AA, AD, CD, RD
from blackhole_guard.wire.names import ROOT, escape_text, is_subdomain, pack_name

_VERSION, _IDENTITY = pack_name("version.bind"), pack_name("id.server")
_HOME = pack_name("home.arpa")
_TEXT = 100  # characters of what a resolver says of itself


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of queries for one zone."""

    zone: ReservedZone
    verdict: Verdict
    what: str  # why, in words; printable
    sink: Sink | None  # where it leaks to, as the answer shows it; None: it does not leak, or the answer does not say
    leaking: tuple[str, ...]  # types that leak, or are made up: "PTR" and "SOA"
    program: Kind | None  # what the resolver is, where it answers from an empty zone of its own
    seconds: float | None  # of the first answer; None: there was none
    is_known: bool  # whether the answers say of both types where queries end
    may_be_ours: bool  # of LOCAL: by the SOA it could be


class DsAnswer(StrEnum):
    """Who answers for the DS of home.arpa."""

    PARENT = "parent"  # the zone above, as it must be
    CHILD = "child"  # home.arpa itself: who validates behind this resolver takes the answer for forged
    FAILED = "failed"  # an error
    TIMEOUT = "timeout"  # no answer
    UNCLEAR = "unclear"  # an answer that does not say


@dataclass(frozen=True, slots=True)
class MappedFinding:
    """Whether the names that we map come out."""

    owner: bytes  # wire form, lower case
    is_right: bool
    found: tuple[bytes, ...]  # names of its PTRs, lower case, sorted
    what: str  # printable
    is_known: bool = True  # whether there was an answer

    @property
    def is_hidden(self) -> bool:
        """Whether the resolver says something else: from a zone of its own, or another's."""
        return self.is_known and not self.is_right


@dataclass(slots=True)
class Examined:
    """All that was found out about one resolver."""

    findings: list[Finding] = field(default_factory=list)  # in the registry's order
    version: str | None = None  # what it says to version.bind; printable
    identity: str | None = None  # what it says to id.server
    program: Kind = Kind.UNKNOWN
    validates: bool | None = None  # by AD in the root's SOA; None: there was no answer
    ds: DsAnswer = DsAnswer.TIMEOUT
    mapped: list[MappedFinding] = field(default_factory=list)
    silence: str | None = None  # why there was no answer to anything; None: there was
    questions: int = 0
    seconds: float = 0.0

    @property
    def leaks(self) -> bool:
        """Whether something of ours gets out, or is made up."""
        return any(finding.verdict in SICK for finding in self.findings)

    @property
    def sick_blocks(self) -> tuple[str, ...]:
        """The blocks (`registry.BLOCKS`) that leak, or are made up, or hide names that we map."""
        sick = {finding.zone.block for finding in self.findings if finding.verdict in SICK}
        for each in self.mapped:
            zone = find_reserved_name(each.owner)
            if each.is_hidden and zone is not None:
                sick.add(zone.block)
        return tuple(block for block in BLOCKS if block in sick)

    @property
    def unknown_blocks(self) -> tuple[str, ...]:
        """The blocks (`registry.BLOCKS`) of which it is not known of each zone where its queries end."""
        # Who refuses everything may answer others.
        refuses = {finding.verdict for finding in self.findings} == {Verdict.REFUSED}
        unknown = {finding.zone.block for finding in self.findings if refuses or not finding.is_known}
        return tuple(block for block in BLOCKS if block in unknown)

    @property
    def is_known(self) -> bool:
        """Whether it is known of each zone where its queries end, and of each name that we map whether it comes out."""
        return not self.unknown_blocks and all(each.is_known for each in self.mapped)


class Examination:
    """One resolver, examined. Owns neither sockets nor a clock (`Exchanges` says how it is run)."""

    def __init__(
        self,
        known: Known,
        draw: Draw,
        now: float,
        *,
        limits: Limits | None = None,
        zones: Iterable[ReservedZone] = ZONES,
    ) -> None:
        self._known = known
        self._draw = draw
        self._began = now
        self._examined = Examined()
        self._zones = tuple(zones)
        self._findings: dict[bytes, Finding] = {}
        self.exchanges = Exchanges(self._tasks(), draw, limits or Limits(), now)

    def conclude(self, now: float) -> Examined:
        """Say what was found, once it is over."""
        examined = self._examined
        examined.findings = [self._findings[zone.apex] for zone in self._zones]
        if _is_ours(examined):
            examined.findings = [_claim(finding) for finding in examined.findings]
        examined.silence = None if self.exchanges.heard else examined.findings[0].what
        examined.questions, examined.seconds = self.exchanges.asked, now - self._began
        if examined.program is Kind.UNKNOWN:
            examined.program = _guess(examined.findings)
        return examined

    def _tasks(self) -> Iterable[Task]:
        yield self._ask_program()
        yield self._ask_identity()
        yield self._ask_validation()
        yield self._ask_ds()
        for owner, names in self._known.mapped:
            yield self._ask_mapped(owner, names)
        for zone in self._zones:
            yield self._ask_zone(zone)

    def _ask_program(self) -> Task:
        """Ask what the resolver is, and where it does not say, for what each answers in a way of its own."""
        outcome = yield Question(_VERSION, RRType.TXT, RRClass.CH)
        self._examined.version = version = _read_text(outcome)
        program = None if version is None else find_program(version)
        if program is None and isinstance(outcome, Answered):
            if outcome.reply.rcode == RCode.REFUSED and outcome.reply.flags & AA:
                program = Kind.RESOLVED  # nobody else refuses with authority
            else:
                name = make_invalid_name(self._draw)
                outcome = yield Question(name, RRType.A, flags=0, dnssec_ok=True)  # RD=0: nothing is asked of others
                program = _read_program(name, outcome)
        self._examined.program = program or Kind.UNKNOWN

    def _ask_identity(self) -> Task:
        self._examined.identity = _read_text((yield Question(_IDENTITY, RRType.TXT, RRClass.CH)))

    def _ask_validation(self) -> Task:
        outcome = yield from _insist(Question(ROOT, RRType.SOA, dnssec_ok=True))
        if isinstance(outcome, Answered) and outcome.reply.rcode == RCode.NOERROR:
            self._examined.validates = bool(outcome.reply.flags & AD)

    def _ask_ds(self) -> Task:
        self._examined.ds = _read_ds((yield from _insist(Question(_HOME, RRType.DS, dnssec_ok=True))))

    def _ask_mapped(self, owner: bytes, names: frozenset[bytes]) -> Task:
        outcome = yield from _insist(Question(owner, RRType.PTR))
        self._examined.mapped.append(_read_mapped(owner, names, outcome))

    def _ask_zone(self, zone: ReservedZone) -> Task:
        self._findings[zone.apex] = yield from self._examine(zone)

    def _examine(self, zone: ReservedZone) -> Generator[Question, Outcome, Finding]:
        host, seconds = yield from self._ask_for(zone, RRType.PTR)
        readings = {"PTR": host}
        if host.verdict is not Verdict.TIMEOUT:
            readings["SOA"], _ = yield from self._ask_for(zone, RRType.SOA)
        return _conclude(zone, readings, seconds)

    def _ask_for(self, zone: ReservedZone, qtype: RRType) -> Generator[Question, Outcome, tuple[Reading, float | None]]:
        """Ask for fresh names; gives also how long the first answer took, None where there was none."""
        probe = self._probe(zone)
        outcome = yield Question(probe, qtype)
        found = read_outcome(zone, probe, outcome, self._known)
        if found.verdict is Verdict.UNCLEAR:
            found = settle(found, (yield Question(self._probe(zone), qtype, flags=0)))
        elif found.verdict is Verdict.SERVFAIL:
            found = yield from self._ask_unvalidated(zone, qtype, found)
        return found, outcome.seconds if isinstance(outcome, Answered) else None

    def _ask_unvalidated(
        self, zone: ReservedZone, qtype: RRType, failed: Reading
    ) -> Generator[Question, Outcome, Reading]:
        """Find out whether it is validation that fails: then somebody does answer."""
        probe = self._probe(zone)
        outcome = yield Question(probe, qtype, flags=RD | CD, dnssec_ok=True)
        found = read_outcome(zone, probe, outcome, self._known)
        if found.verdict is Verdict.LEAKS:
            return found  # what comes back is not believed, but it went out
        if found.verdict in (Verdict.OURS, Verdict.LOCAL):
            return Reading(Verdict.SERVFAIL, f"validation fails: with CD=1 it is {found.verdict}, {found.what}")
        return failed

    def _probe(self, zone: ReservedZone) -> bytes:
        return make_probe(zone, self._draw, self._known.delegated)


def _insist(question: Question) -> Generator[Question, Outcome, Outcome]:
    """Ask once more where SERVFAIL comes: a resolver that has just begun may yet have an answer."""
    outcome = yield question
    if isinstance(outcome, Answered) and outcome.reply.rcode == RCode.SERVFAIL:
        outcome = yield question
    return outcome


def _conclude(zone: ReservedZone, readings: dict[str, Reading], seconds: float | None) -> Finding:
    """Put what the types got together: the worst counts, and of what is well all the same, PTR."""
    found = readings.values()
    verdict = min((reading.verdict for reading in found), key=WORST_FIRST.index)
    if verdict not in SICK | UNKNOWN:
        verdict = readings["PTR"].verdict
    first, *others = sorted(readings, key=lambda qtype: readings[qtype].verdict is not verdict)
    what = readings[first].what
    if any(readings[qtype].verdict is not verdict for qtype in others):
        what = "; ".join(f"for {qtype}: {readings[qtype].what}" for qtype in (first, *others))
    return Finding(
        zone=zone,
        verdict=verdict,
        what=what,
        sink=next((reading.sink for reading in found if reading.verdict is verdict and reading.sink), None),
        leaking=tuple(qtype for qtype, reading in readings.items() if reading.verdict in SICK),
        program=next((reading.program for reading in found if reading.program is not None), None),
        seconds=seconds,
        is_known=not any(reading.verdict in UNKNOWN for reading in found),
        may_be_ours=verdict is Verdict.LOCAL and readings["PTR"].may_be_ours,
    )


def _is_ours(examined: Examined) -> bool:
    """Whether it is proved that the resolver asks this server, or is it."""
    return (
        examined.program is Kind.OURS
        or any(each.is_right for each in examined.mapped)
        or any(finding.verdict is Verdict.OURS for finding in examined.findings)
    )


def _claim(finding: Finding) -> Finding:
    """Take a zone that looks as ours for ours."""
    if not finding.may_be_ours:
        return finding
    return replace(
        finding, verdict=Verdict.OURS, what="an empty zone as ours, where others are ours", may_be_ours=False
    )


def _guess(findings: list[Finding]) -> Kind:
    """Tell the program by its own empty zones."""
    return next((finding.program for finding in findings if finding.program is not None), Kind.UNKNOWN)


def _read_program(name: bytes, outcome: Outcome) -> Kind | None:
    """Tell the program by its answer for a name below `invalid`."""
    if isinstance(outcome, Silence):
        return None
    reply = outcome.reply
    error = b"" if reply.edns is None else reply.edns.options.get(OptionCode.EXTENDED_ERROR, b"")
    if (program := find_program_of_error(error)) is not None:
        return program
    soas = reply.find(Section.AUTHORITY, RRType.SOA)
    try:
        # Without AA it may be another one's, behind the one that we ask.
        return find_program_of(reply.soa(soas[0]), name, INVALID) if soas and reply.flags & AA else None
    except WireError:
        return None


def _read_text(outcome: Outcome) -> str | None:
    if isinstance(outcome, Silence) or outcome.reply.rcode != RCode.NOERROR:
        return None
    reply = outcome.reply
    for record in reply.records:
        if record.section == Section.ANSWER and record.rtype == RRType.TXT and record.rclass == RRClass.CH:
            try:
                text = b" ".join(reply.texts(record))
            except WireError:
                return None
            return escape_text(text.decode("utf-8", "surrogateescape"), limit=_TEXT)
    return None


def _read_ds(outcome: Outcome) -> DsAnswer:
    if isinstance(outcome, Silence):
        return DsAnswer.TIMEOUT
    if outcome.reply.rcode not in (RCode.NOERROR, RCode.NXDOMAIN):
        return DsAnswer.FAILED
    reply = outcome.reply
    try:
        owners = [reply.owner(record) for record in reply.find(Section.AUTHORITY, RRType.SOA)]
    except WireError:
        return DsAnswer.FAILED
    if any(is_subdomain(owner, of=_HOME) for owner in owners):
        return DsAnswer.CHILD
    return DsAnswer.PARENT if owners or reply.find(Section.ANSWER, RRType.DS) else DsAnswer.UNCLEAR


def _read_mapped(owner: bytes, names: frozenset[bytes], outcome: Outcome) -> MappedFinding:
    if isinstance(outcome, Silence):
        return MappedFinding(owner, False, (), outcome.reason, is_known=False)
    reply = outcome.reply
    try:
        found = _read_ptrs(reply)
    except WireError as error:
        return MappedFinding(owner, False, (), f"an answer that cannot be read: {error}")
    if frozenset(found) == names:
        return MappedFinding(owner, True, found, "right")
    return MappedFinding(owner, False, found, f"RCODE {reply.rcode}, {len(found)} names instead of {len(names)}")


def _read_ptrs(reply: Reply) -> tuple[bytes, ...]:
    return tuple(sorted({reply.target(record).lower() for record in reply.find(Section.ANSWER, RRType.PTR)}))
