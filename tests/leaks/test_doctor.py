"""A whole examination against resolvers that are a function: what is asked, and what is made of the answers."""

import random
from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import pytest
from replies import PUBLIC_SOA, respond

from blackhole_guard.leaks.blocks import group_by_block
from blackhole_guard.leaks.doctor import DsAnswer, Examination, Examined
from blackhole_guard.leaks.signatures import Kind
from blackhole_guard.leaks.verdicts import Known, Verdict
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.registry import BLOCKS, ZONES, Sink, find_reserved_name
from blackhole_guard.wire.names import format_name, pack_name

Answer = Callable[[dns.message.Message, bytes], bytes | None]
NOBODY = Known(frozenset())
UNBOUND = "localhost. nobody.invalid. 1 3600 1200 604800 10800"


def examine(answer: Answer, known: Known = NOBODY) -> tuple[Examined, list[dns.message.Message]]:
    """Run an examination; each answer takes a millisecond. Gives also all that was asked."""
    asked = []
    examination = Examination(known, random.Random(1).randbytes, 0.0)
    exchanges, now = examination.exchanges, 0.0
    while (deadline := exchanges.deadline()) is not None:
        now = max(now, min(deadline, now + 0.001)) if asked else now
        sent = exchanges.due(now)
        now = deadline if not sent and exchanges.deadline() is not None else now + 0.001
        for each in sent:
            asked.append(dns.message.from_wire(each.octets))
            reply = answer(asked[-1], each.octets)
            if reply is not None:
                exchanges.receive(reply, now, over_tcp=each.over_tcp)
    return examination.conclude(now), asked


def refusing(flags: int) -> Answer:
    """A resolver that refuses to say what it is."""

    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if query.question[0].rdclass == 3:
            return respond(octets, "REFUSED", flags=flags)
        return with_soa(UNBOUND)(query, octets)

    return answer


def zone_of(query: dns.message.Message) -> str | None:
    """The apex of the reserved zone that a question is in; None: it is in none."""
    zone = find_reserved_name(pack_name(str(query.question[0].name)))
    return None if zone is None else format_name(zone.apex)


def with_soa(data: str) -> Answer:
    """A resolver that says no with this SOA at each apex."""

    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        apex = zone_of(query)
        return respond(octets, "SERVFAIL") if apex is None else respond(octets, soa=(apex, data))

    return answer


def verdicts(examined: Examined) -> set[tuple[Verdict, Sink | None, tuple[str, ...]]]:
    return {(finding.verdict, finding.sink, finding.leaking) for finding in examined.findings}


def test_each_zone_has_one_finding_in_the_order_of_the_registry():
    examined, _ = examine(with_soa(UNBOUND))
    assert [finding.zone for finding in examined.findings] == list(ZONES)
    assert verdicts(examined) == {(Verdict.LOCAL, None, ())}
    assert (examined.leaks, examined.is_known) == (False, True)


def test_each_zone_is_asked_for_a_host_and_for_its_soa_by_names_that_are_probes():
    _, asked = examine(with_soa(PUBLIC_SOA))
    in_zones = [query.question[0] for query in asked if zone_of(query) and query.question[0].rdtype != 43]
    assert len(in_zones) == 2 * len(ZONES)
    assert all(is_probe(pack_name(str(question.name))) for question in in_zones)
    assert len({str(question.name) for question in in_zones}) == len(in_zones)


def test_a_leak_names_its_sink_and_the_types_that_leak():
    examined, _ = examine(with_soa(PUBLIC_SOA))
    assert verdicts(examined) == {(Verdict.LEAKS, Sink.AS112, ("PTR", "SOA"))}
    assert (examined.program, examined.leaks, examined.is_known) == (Kind.UNKNOWN, True, True)


def test_a_resolver_that_keeps_hosts_alone_leaks_the_rest():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if query.question[0].rdtype == 12:
            return respond(octets)  # without an SOA, also to RD=0
        return with_soa(PUBLIC_SOA)(query, octets)

    examined, asked = examine(answer)
    assert verdicts(examined) == {(Verdict.LEAKS, Sink.AS112, ("SOA",))}
    leak, kept = "SOA 10.in-addr.arpa. prisoner.iana.org.", "no SOA, also to RD=0: a zone of its own"
    assert not any(finding.program for finding in examined.findings)
    assert examined.findings[0].what == f"for SOA: {leak}; for PTR: {kept}"
    assert sum(not query.flags & dns.flags.RD for query in asked if zone_of(query)) == len(ZONES)


def test_a_stub_that_refuses_rd_0_is_believed_where_it_says_that_it_knows_by_itself():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        own = zone_of(query) == "0.in-addr.arpa."
        return respond(
            octets, "NXDOMAIN" if query.flags & dns.flags.RD else "REFUSED", flags=dns.flags.AA if own else 0
        )

    examined, _ = examine(answer)
    assert verdicts(examined) == {(Verdict.UNCLEAR, None, ()), (Verdict.LOCAL, None, ())}
    assert [format_name(each.zone.apex) for each in examined.findings if each.verdict is Verdict.LOCAL] == [
        "0.in-addr.arpa."
    ]
    assert (examined.leaks, examined.is_known) == (False, False)


def test_validation_that_fails_is_told_from_a_server_that_does():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        return with_soa(UNBOUND)(query, octets) if query.flags & dns.flags.CD else respond(octets, "SERVFAIL")

    examined, _ = examine(answer)
    assert verdicts(examined) == {(Verdict.SERVFAIL, None, ())}
    assert all(finding.what.startswith("validation fails: with CD=1 it is local") for finding in examined.findings)
    assert not examined.is_known
    examined, _ = examine(lambda query, octets: respond(octets, "SERVFAIL"))
    assert {finding.what for finding in examined.findings} == {"SERVFAIL"}


def test_what_is_not_believed_went_out_all_the_same():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        return with_soa(PUBLIC_SOA)(query, octets) if query.flags & dns.flags.CD else respond(octets, "SERVFAIL")

    assert verdicts(examine(answer)[0]) == {(Verdict.LEAKS, Sink.AS112, ("PTR", "SOA"))}


def hunted(rcode: str = "NXDOMAIN", **parts: object) -> Answer:
    """A resolver that keeps look-ups of hosts, and to those of SOA answers this."""

    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if query.question[0].rdtype == 6 and zone_of(query):
            return respond(octets, rcode, **parts)
        return with_soa(UNBOUND)(query, octets)

    return answer


@pytest.mark.parametrize(
    ("answer", "verdict", "types", "known"),
    [
        (hunted("NOERROR", answer=("SOA", "evil.example. a.b. 1 2 3 4 5")), Verdict.HIJACKED, ("SOA",), True),
        (hunted("SERVFAIL"), Verdict.SERVFAIL, (), False),
        (hunted("NOTIMP"), Verdict.ERROR, (), False),
        (hunted("REFUSED"), Verdict.LOCAL, (), True),  # where it ends is known
        (hunted("NXDOMAIN"), Verdict.LOCAL, (), True),  # the same to RD=0
        (hunted("NXDOMAIN", soa=(".", "ns1.corp. a.corp. 1 2 3 4 5")), Verdict.LOCAL, (), True),  # the same
    ],
)
def test_what_the_search_for_an_soa_gets_counts_as_much_as_what_hosts_do(answer, verdict, types, known):
    examined, _ = examine(answer)
    assert verdicts(examined) == {(verdict, None, types)}
    assert examined.is_known is known
    if verdict is not Verdict.LOCAL:
        assert all(
            finding.what.startswith("for SOA: ") and "for PTR: " in finding.what for finding in examined.findings
        )


def test_a_search_for_an_soa_that_nobody_answers_leaves_it_open_where_it_ends():
    def answer(query: dns.message.Message, octets: bytes) -> bytes | None:
        return None if query.question[0].rdtype == 6 else with_soa(UNBOUND)(query, octets)

    examined, _ = examine(answer)
    assert verdicts(examined) == {(Verdict.TIMEOUT, None, ())}
    assert (examined.leaks, examined.is_known, examined.silence) == (False, False, None)
    assert examined.seconds <= 9.01


def test_a_leak_beside_what_is_not_known_is_a_leak_and_not_all_is_known():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if query.question[0].rdtype == 6:
            return respond(octets, "NOTIMP")
        return with_soa(PUBLIC_SOA)(query, octets)

    examined, _ = examine(answer)
    assert verdicts(examined) == {(Verdict.LEAKS, Sink.AS112, ("PTR",))}
    assert (examined.leaks, examined.is_known) == (True, False)


def test_a_search_for_an_soa_that_a_cache_answers_leaks():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if query.question[0].rdtype == 6 and zone_of(query):
            return respond(octets, "NXDOMAIN" if query.flags & dns.flags.RD else "SERVFAIL")
        return with_soa(UNBOUND)(query, octets)

    assert verdicts(examine(answer)[0]) == {(Verdict.LEAKS, None, ("SOA",))}


def test_data_for_what_cannot_exist_is_hijacking_whatever_else_leaks():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if query.question[0].rdtype == 12:
            return respond(octets, "NOERROR", answer=("PTR", "search.example.net."))
        return with_soa(PUBLIC_SOA)(query, octets)

    examined, _ = examine(answer)
    assert {finding.verdict for finding in examined.findings} == {Verdict.HIJACKED}


def test_a_zone_that_nobody_answers_for_is_a_time_out_and_the_others_are_not():
    def answer(query: dns.message.Message, octets: bytes) -> bytes | None:
        return None if zone_of(query) == "10.in-addr.arpa." else with_soa(UNBOUND)(query, octets)

    examined, _ = examine(answer)
    assert [finding.verdict for finding in examined.findings].count(Verdict.TIMEOUT) == 1
    assert examined.findings[0].verdict is Verdict.TIMEOUT
    assert (examined.silence, examined.is_known) == (None, False)


def test_a_dead_resolver_says_so():
    examined, _ = examine(lambda query, octets: None)
    assert verdicts(examined) == {(Verdict.TIMEOUT, None, ())}
    assert (examined.silence, examined.is_known, examined.leaks) == ("no answer", False, False)


def test_a_resolver_that_is_silent_about_reserved_zones_alone_takes_no_longer_than_allowed():
    def answer(query: dns.message.Message, octets: bytes) -> bytes | None:
        return None if zone_of(query) else respond(octets, "REFUSED")

    examined, _ = examine(answer)
    assert verdicts(examined) == {(Verdict.TIMEOUT, None, ())}
    assert examined.silence is None
    assert examined.seconds <= 9.01


def test_it_is_found_out_what_the_resolver_is():
    texts = {"version.bind.": "9.18.49-1-Debian", "id.server.": "ns\\027[2J"}

    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        name = str(query.question[0].name)
        if name in texts:
            return respond(octets, "NOERROR", answer=("TXT", f'"{texts[name]}"'))
        if name == ".":
            return respond(octets, "NOERROR", answer=("SOA", f". . {'1 ' * 5}"), flags=dns.flags.AD)
        return with_soa(PUBLIC_SOA)(query, octets)

    examined, _ = examine(answer)
    assert (examined.program, examined.version) == (Kind.BIND, "9.18.49-1-Debian")
    assert examined.identity == "ns\\027[2J"
    assert examined.validates is True


def test_systemd_resolved_is_told_by_how_it_refuses():
    assert examine(refusing(dns.flags.AA))[0].program is Kind.RESOLVED
    assert examine(refusing(0))[0].program is Kind.UNKNOWN


def test_a_program_is_told_by_its_empty_zones_where_they_are_its_own():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        apex = zone_of(query)
        return respond(octets, "SERVFAIL") if apex is None else respond(octets, soa=(apex, UNBOUND), flags=dns.flags.AA)

    assert examine(answer)[0].program is Kind.UNBOUND
    assert examine(with_soa(UNBOUND))[0].program is Kind.UNKNOWN  # it may be behind this one


@pytest.mark.parametrize(
    ("text", "program"), [("ABC4", Kind.KNOT_RESOLVER), ("CR36: special", Kind.KNOT_RESOLVER), ("no", Kind.UNKNOWN)]
)
def test_knot_resolver_is_told_by_the_marks_of_its_extended_errors(text, program):
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        response = dns.message.from_wire(respond(octets, "SERVFAIL" if query.question[0].rdclass == 3 else "REFUSED"))
        if query.edns == 0 and not query.flags & dns.flags.RD:
            response.use_edns(0, options=[dns.edns.EDEOption(20, text)])
        return response.to_wire()

    assert examine(answer)[0].program is program


def test_a_program_that_does_not_say_what_it_is_is_told_by_its_own_zone_of_invalid_names():
    def answer(flags: int, *owner: str) -> Answer:
        def answer(query: dns.message.Message, octets: bytes) -> bytes:
            name = str(query.question[0].name)
            if not name.endswith(".invalid."):
                return respond(octets, "REFUSED")
            return respond(octets, soa=(*owner, UNBOUND) if owner else (name, f"{name} {UNBOUND[11:]}"), flags=flags)

        return answer

    assert examine(answer(dns.flags.AA, "invalid."))[0].program is Kind.UNBOUND
    assert examine(answer(dns.flags.AA))[0].program is Kind.KNOT_RESOLVER
    assert examine(answer(0, "invalid."))[0].program is Kind.UNKNOWN  # it may be behind this one


def test_nothing_is_asked_for_below_invalid_that_would_leave_a_resolver():
    _, asked = examine(lambda query, octets: respond(octets, "REFUSED"))
    (query,) = (query for query in asked if str(query.question[0].name).endswith(".invalid."))
    assert not query.flags & dns.flags.RD


def test_what_is_asked_but_once_is_asked_again_after_servfail():
    failed = set()
    owner, names = pack_name("3.0.0.10.in-addr.arpa"), frozenset((pack_name("web.example"),))

    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        name, rdtype = str(query.question[0].name), query.question[0].rdtype
        if not (name == "." or rdtype == 43 or pack_name(name) == owner):
            return with_soa(UNBOUND)(query, octets)
        if name not in failed:
            failed.add(name)
            return respond(octets, "SERVFAIL")
        if rdtype == 43:
            return respond(octets, "NOERROR", soa=("arpa.", UNBOUND))
        data = ("SOA", f". . {'1 ' * 5}") if name == "." else ("PTR", "web.example.")
        return respond(octets, "NOERROR", answer=data, flags=dns.flags.AD)

    examined, _ = examine(answer, Known(frozenset(), (), ((owner, names),)))
    assert (examined.validates, examined.ds, examined.mapped[0].is_right) == (True, DsAnswer.PARENT, True)


@pytest.mark.parametrize(
    ("rcode", "owner", "ds"),
    [
        ("NOERROR", "arpa.", DsAnswer.PARENT),
        ("NOERROR", "home.arpa.", DsAnswer.CHILD),
        ("NXDOMAIN", "home.arpa.", DsAnswer.CHILD),
        ("NOERROR", None, DsAnswer.UNCLEAR),
        ("SERVFAIL", None, DsAnswer.FAILED),
        (None, None, DsAnswer.TIMEOUT),
    ],
)
def test_the_ds_of_home_arpa_belongs_to_the_zone_above(rcode, owner, ds):
    def answer(query: dns.message.Message, octets: bytes) -> bytes | None:
        if query.question[0].rdtype != 43:
            return with_soa(UNBOUND)(query, octets)
        return None if rcode is None else respond(octets, rcode, soa=None if owner is None else (owner, UNBOUND))

    assert examine(answer)[0].ds is ds


@pytest.mark.parametrize(
    ("names", "right", "what"),
    [
        (("web.example.", "WWW.example."), True, "right"),
        (("web.example.",), False, "RCODE 0, 1 names instead of 2"),
        ((), False, "RCODE 3, 0 names instead of 2"),
    ],
)
def test_mapped_names_come_out_or_do_not(names, right, what):
    owner = pack_name("3.0.0.10.in-addr.arpa")
    wanted = frozenset(map(pack_name, ("web.example", "www.example")))

    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        if str(query.question[0].name) != "3.0.0.10.in-addr.arpa." or not names:
            return with_soa(UNBOUND)(query, octets)
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "PTR", *names))
        return response.to_wire()

    examined, _ = examine(answer, Known(frozenset(), (), ((owner, wanted),)))
    (mapped,) = examined.mapped
    assert (mapped.owner, mapped.is_right, mapped.what) == (owner, right, what)
    assert (examined.sick_blocks, examined.leaks, examined.is_known) == (() if right else ("10.0.0.0/8",), False, True)


def test_who_refuses_everything_may_answer_others():
    examined, _ = examine(lambda query, octets: respond(octets, "REFUSED"))
    assert (examined.leaks, examined.is_known) == (False, False)


def test_findings_by_block_are_those_of_the_worst_zone():
    def answer(query: dns.message.Message, octets: bytes) -> bytes:
        data = PUBLIC_SOA if zone_of(query) == "20.172.in-addr.arpa." else UNBOUND
        return with_soa(data)(query, octets)

    blocks = group_by_block(examine(answer)[0].findings)
    assert [each.block for each in blocks] == list(BLOCKS)
    by_block = {each.block: each for each in blocks}
    split = by_block["172.16.0.0/12"]
    assert (split.verdict, split.sinks, split.leaking) == (Verdict.LEAKS, (Sink.AS112,), ("PTR", "SOA"))
    assert split.verdicts == {Verdict.LEAKS: 1, Verdict.LOCAL: 15}
