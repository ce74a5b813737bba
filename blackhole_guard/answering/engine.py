"""From a message's octets and its source to the response's octets.

RFC 8906 (answer whatever comes), RFC 6891 (EDNS), RFC 1996 and 2136 (NOTIFY and UPDATE, which we do not take), RFC 4892
and RFC 5001 (who answers), RFC 8914 (why not). Left out: DNS cookies, rate limits, transfers.
A response without its OPT depends on the flags, the question, the room that there is, and the kind of OPT alone.

What many responses have alike is made once: the SOA of a denial (12 us a message, else 23), the OPT (1.1 us less), the
account (2 us less). Measured: python -m bench.cold_path
"""

from collections.abc import Callable
from typing import NamedTuple

from blackhole_guard.answering.accounts import Accounts, find_averted
from blackhole_guard.answering.answer import EXTENDED_ERRORS, Answer, Outcome, Refusal, refuse
from blackhole_guard.answering.lookup import find_answer
from blackhole_guard.answering.policy import Policy
from blackhole_guard.answering.tally import NO_TYPE, Account, Tally, find_lane
from blackhole_guard.answering.zone_reader import ZoneReader
from blackhole_guard.wire.codes import Opcode, OptionCode, RCode, RRClass, RRType
from blackhole_guard.wire.edns import MIN_PAYLOAD, render_opt
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import HEADER, render_header_only
from blackhole_guard.wire.query import Query, parse_query
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.response import (
    MAX_MESSAGE,
    NO_RECORDS,
    NOTHING_RENDERED,
    RenderedSections,
    Sections,
    attach,
    render_response,
    render_sections,
)
from blackhole_guard.wire.tsig import render_unknown_key

# Types that are no data and cannot be asked for (RFC 6891 section 6.1.1, RFC 8945 section 4.2).
_NEVER_ASKED = frozenset((RRType.OPT, RRType.TSIG))
_TRANSFERS = frozenset((RRType.AXFR, RRType.IXFR))
_NEGATIVE = frozenset((Outcome.NODATA, Outcome.NXDOMAIN))
_LEAST_OPT = render_opt(0, rcode=0, dnssec_ok=False)
_ERROR_SIZE = 6  # octets of an extended error without text, the option's header included
_MOST_DENIALS = 4096  # a few hundred octets each

_OptKind = tuple[int, bool, Refusal | None, bool]  # upper bits of the RCODE, DO, the error that is told, NSID


class Answered(NamedTuple):
    """A response, and how it came about."""

    response: bytes
    account: Account  # where it is to be counted
    query: Query | None = None  # None: the message could not be read
    answer: Answer | None = None  # None: as `query`
    opt: bytes = b""  # that of the response


class Engine:
    """Answers messages out of one snapshot, by one policy.

    Of messages it keeps nothing but what the tally counts. What it renders and many responses have alike, it keeps.
    """

    def __init__(
        self,
        zones: ZoneReader,
        policy: Policy,
        tally: Tally,
        on_error: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        """Answer from `zones` by `policy`; `on_error` is told of what nobody expected, and must not raise."""
        self._zones = zones
        self._policy = policy
        self._tally = tally
        self._accounts = Accounts(tally)
        self._on_error = on_error
        self._opts: dict[_OptKind, bytes] = {}
        self._denials: dict[tuple[bytes, int], RenderedSections] = {}  # by owner of the SOA, octets of the question

    def respond(self, octets: bytes, source: bytes, *, over_tcp: bool) -> bytes | None:
        """Answer one message. Never raises.

        Args:
            octets: any; without the length that stands before a message in TCP.
            source: 4 or 16 octets; an IPv4-mapped address has been unmapped.
        Returns:
            The response; None: it must not be answered.
        """
        answered = self.answer_message(octets, source, over_tcp=over_tcp)
        if answered is None:
            return None
        answered.account[find_lane(source, over_tcp=over_tcp)] += 1
        return answered.response

    def answer_message(self, octets: bytes, source: bytes, *, over_tcp: bool) -> "Answered | None":
        """Answer one message as `respond` does, and count it nowhere but in what is not answered. Never raises."""
        try:
            try:
                query = parse_query(octets)
            except WireError as error:
                return self._answer_unread(octets, error)
            answer = self.find_answer(query, source, over_tcp=over_tcp)
            account = self._accounts.find(query, answer)
            opt = self._find_opt(query, answer)
            return Answered(self._render(query, answer, opt, over_tcp), account, query, answer, opt)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with us or the snapshot, who asks gets an answer
            self._tally.add("answer_errors")
            self._on_error(error)
            return self._answer_with_header(octets, RCode.SERVFAIL)

    def _answer_unread(self, octets: bytes, error: WireError) -> "Answered | None":
        if error.rcode is not None:
            return self._answer_with_header(octets, RCode(error.rcode))
        self._tally.add("unanswered", "short" if len(octets) < HEADER.size else "response")
        return None

    def _answer_with_header(self, octets: bytes, rcode: RCode) -> "Answered":
        return Answered(render_header_only(octets, rcode), self._tally.open_account(NO_TYPE, rcode.name))

    def find_answer(self, query: Query, source: bytes, *, over_tcp: bool) -> Answer:
        """Find what to answer to a message that could be read."""
        if not query.question:
            return Answer(Outcome.FORMERR)
        if source not in self._policy.clients:
            return refuse(Refusal.CLIENT)
        if query.edns is not None and query.edns.version != 0:
            return Answer(Outcome.BADVERS)
        if query.tsig is not None:
            return Answer(Outcome.BADKEY)
        if query.opcode != Opcode.QUERY:
            return self._answer_update(query) if query.opcode == Opcode.UPDATE else Answer(Outcome.NOTAUTH)
        if query.qclass != RRClass.IN:
            return self._answer_other_class(query)
        if query.qtype in _NEVER_ASKED:
            return Answer(Outcome.FORMERR)
        if query.qtype in _TRANSFERS:
            return _answer_transfer(query, over_tcp)
        refer = self._policy.refer_recursive or not query.recursion_desired
        return find_answer(self._zones, query.qname, query.qtype, refer=refer)

    def find_averted(self, octets: bytes, source: bytes, *, over_tcp: bool) -> tuple[bytes, bool] | None:
        """Find what the ledger's entry for a message is about, see `accounts.find_averted`. Never raises."""
        try:
            query = parse_query(octets)
            return find_averted(query, self.find_answer(query, source, over_tcp=over_tcp))
        except WireError:
            return None
        except Exception as error:  # noqa: BLE001  # as in `answer_message`; the message has its answer already
            self._tally.add("answer_errors")
            self._on_error(error)
            return None

    def _answer_update(self, query: Query) -> Answer:
        """Answer an UPDATE: refused in our zones, signed or not, and NOTAUTH elsewhere (RFC 2136 section 3.1)."""
        if query.qtype != RRType.SOA or query.qclass in (RRClass.ANY, RRClass.NONE):
            return Answer(Outcome.FORMERR)
        found = self._zones.find_enclosing(query.qname) if query.qclass == RRClass.IN else None
        if found is None or found[1] is not None:
            return Answer(Outcome.NOTAUTH)
        return Answer(Outcome.REFUSED, zone=found[0], refusal=Refusal.UPDATE)

    def _answer_other_class(self, query: Query) -> Answer:
        if query.qclass == RRClass.ANY:
            return Answer(Outcome.FORMERR)
        text = self._policy.chaos.get(query.qname)
        if query.qclass != RRClass.CH or text is None or query.qtype not in (RRType.TXT, RRType.ANY):
            return refuse(Refusal.CLASS)
        rrset = RRset(owner=query.qname, rtype=RRType.TXT, ttl=0, rdatas=(bytes((len(text),)) + text,))
        return Answer(Outcome.ANSWER, Sections(answer=(rrset,)), authoritative=True)

    def _render(self, query: Query, answer: Answer, opt: bytes, over_tcp: bool) -> bytes:
        limit = self._limit(query, over_tcp)
        tsig = render_unknown_key(query.tsig) if query.tsig is not None and answer.outcome is Outcome.BADKEY else b""
        room = limit - len(opt) - len(tsig)
        rendered = self._render_sections(query, answer, room)
        response = render_response(
            query, rendered, rcode=answer.rcode, authoritative=answer.authoritative, limit=room, opt=opt
        )
        return attach(response, tsig) if tsig and len(response) + len(tsig) <= limit else response

    def _render_sections(self, query: Query, answer: Answer, limit: int) -> RenderedSections | None:
        outcome, sections = answer.outcome, answer.sections
        if sections is NO_RECORDS:
            return NOTHING_RENDERED
        if outcome in _NEGATIVE and not sections.answer:
            return self._find_denial(query, sections)
        return render_sections(query, sections, limit)

    def _find_denial(self, query: Query, sections: Sections) -> RenderedSections | None:
        """Find what a negative answer has behind the question: the SOA of a zone that the question's name lies in.

        Its name ends the question's, so behind questions of one length it is always the same octets.
        """
        key = (sections.authority[0].owner, len(query.question))
        denial = self._denials.get(key)
        if denial is None:
            denial = render_sections(query, sections, MAX_MESSAGE)
            if denial is not None:
                if len(self._denials) == _MOST_DENIALS:
                    self._denials.clear()
                self._denials[key] = denial
        return denial

    def _limit(self, query: Query, over_tcp: bool) -> int:
        """Say how many octets a response may have."""
        if over_tcp:
            return MAX_MESSAGE
        if query.edns is None:
            return MIN_PAYLOAD
        return min(query.edns.payload_size, self._policy.udp_payload_size)

    def _find_opt(self, query: Query, answer: Answer) -> bytes:
        """Find the OPT of a response; empty: it has none, for the query has none."""
        edns, told = query.edns, answer.refusal
        if edns is None:
            return b""
        with_nsid = self._policy.nsid is not None and OptionCode.NSID in edns.options
        if told is Refusal.CLIENT:
            # A stranger's address may be forged: nothing is amplified towards it, so the reason is given where it fits.
            with_nsid = False
            if HEADER.size + len(query.question) + len(_LEAST_OPT) + _ERROR_SIZE > query.size:
                told = None
        kind = (answer.rcode >> 4, edns.dnssec_ok, told, with_nsid)
        opt = self._opts.get(kind)
        if opt is None:
            opt = self._opts[kind] = self._render_opt(*kind)
        return opt

    def _render_opt(self, upper_rcode: int, dnssec_ok: bool, told: Refusal | None, with_nsid: bool) -> bytes:
        error, nsid = EXTENDED_ERRORS.get(told), self._policy.nsid
        options = [] if error is None else [(int(OptionCode.EXTENDED_ERROR), error.to_bytes(2))]
        if with_nsid and nsid is not None:
            options.append((int(OptionCode.NSID), nsid))
        size = self._policy.udp_payload_size
        return render_opt(size, rcode=upper_rcode << 4, dnssec_ok=dnssec_ok, options=options)


def _answer_transfer(query: Query, over_tcp: bool) -> Answer:
    """Answer AXFR and IXFR: none are given. No AXFR is over UDP (RFC 5936 section 4.2), no IXFR without a SOA."""
    well_formed = over_tcp if query.qtype == RRType.AXFR else query.has_authority
    return refuse(Refusal.TRANSFER) if well_formed else Answer(Outcome.FORMERR)
