"""Examinations over real sockets: UDP, TCP for what is truncated, several at once, and what cannot be reached."""

import asyncio
import time

import dns.flags
import dns.message
import pytest
from peer_processes import free_port
from replies import respond
from stand_in_resolvers import resolver

from blackhole_guard.doctoring.network import examine, examine_all
from blackhole_guard.doctoring.resolvers import Resolver
from blackhole_guard.leaks.doctor import Examined
from blackhole_guard.leaks.exchanges import Limits
from blackhole_guard.leaks.verdicts import Known, Verdict

NOBODY = Known(frozenset())
SOON = Limits(patience=(0.3, 0.3), total=5.0)


def refuse(octets: bytes, over_tcp: bool) -> bytes:
    return respond(octets, "REFUSED")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_resolver_is_examined(host):
    with resolver(refuse, host) as target:
        examined = asyncio.run(examine(target, NOBODY, SOON))
    assert {finding.verdict for finding in examined.findings} == {Verdict.REFUSED}
    assert examined.silence is None


def test_what_is_truncated_is_asked_for_over_tcp():
    def answer(octets: bytes, over_tcp: bool) -> bytes:
        return respond(octets, "NXDOMAIN" if over_tcp else "NOERROR", flags=0 if over_tcp else dns.flags.TC)

    with resolver(answer) as target:
        examined = asyncio.run(examine(target, NOBODY, SOON))
    assert {(finding.verdict, finding.what) for finding in examined.findings} == {
        (Verdict.LOCAL, "no SOA, also to RD=0: a zone of its own")
    }


@pytest.mark.parametrize("closes", [False, True])
def test_a_resolver_without_tcp_is_a_time_out_where_it_truncates(closes):
    def answer(octets: bytes, over_tcp: bool) -> bytes | None:
        if over_tcp:
            return None if closes else b"x"
        truncated = dns.message.from_wire(octets).question[0].rdtype == 12
        return respond(octets, "REFUSED", flags=dns.flags.TC if truncated else 0)

    with resolver(answer) as target:
        examined = asyncio.run(examine(target, NOBODY, SOON))
    assert {finding.verdict for finding in examined.findings} == {Verdict.TIMEOUT}


def test_answers_that_came_in_time_count_however_late_they_are_looked_at():
    async def examine_with_a_pause(target: Resolver) -> Examined:
        asyncio.get_running_loop().call_later(0.01, time.sleep, 1.2)  # as when other processes have the CPU
        return await examine(target, NOBODY, Limits(patience=(1.0,), late=0.0, total=60.0))

    with resolver(refuse) as target:
        examined = asyncio.run(examine_with_a_pause(target))
    assert {finding.verdict for finding in examined.findings} == {Verdict.REFUSED}


def test_an_address_where_nobody_listens_is_found_out_at_once():
    examined = asyncio.run(examine(Resolver("127.0.0.1", free_port()), NOBODY, SOON))
    assert examined.silence == "cannot be reached: Connection refused"


def test_an_address_without_a_route_is_a_finding_not_an_error():
    examined = asyncio.run(examine(Resolver("fe80::1%nonesuch"), NOBODY, SOON))
    assert examined.silence is not None
    assert examined.silence.startswith("cannot be reached: ")


def test_several_are_examined_at_once_and_told_as_they_come():
    told = []
    with resolver(refuse) as lively, resolver(lambda octets, over_tcp: None) as dead:
        found = asyncio.run(
            examine_all([dead, lively], NOBODY, limits=SOON, on_done=lambda each, examined: told.append(each))
        )
    assert told == [lively, dead]
    assert [examined.silence for examined in found] == ["no answer", None]
