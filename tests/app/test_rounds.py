"""The observer's rounds: what they find is shown, what changes is logged, and one that fails is not the last."""

import asyncio
import time
from types import SimpleNamespace

import dns.message
import pytest
from answers import Cells
from peer_processes import free_port
from replies import PUBLIC_SOA, respond
from services import Service
from stand_in_resolvers import UNBOUND_SOA, resolver, with_soa
from supervisors import wait_until

from blackhole_guard.app.rounds import Rounds
from blackhole_guard.config.settings import DoctorSettings
from blackhole_guard.doctoring.resolvers import Resolver
from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.telemetry.catalogue import MAX_RESOLVERS


class Log:
    def __init__(self):
        self.said = []

    def __getattr__(self, level):
        return lambda event, **fields: self.said.append((level, event, *fields.values()))


@pytest.fixture
def cells(tmp_path):
    cells = Cells(tmp_path)
    cells.load("web.example.com", "defaults: {ns: [ns1.example.com]}")
    return cells


def make(cells, resolvers, open_newest=None, generation=1, interval=0.01):
    log = Log()
    board = SimpleNamespace(control=SimpleNamespace(generation=generation))
    settings = DoctorSettings(interval=60, resolvers=tuple(map(str, resolvers)))
    return Rounds(settings, interval, board, open_newest or (lambda: open_snapshot(str(cells.snapshot))), log), log


def run_until(rounds, condition):
    async def run():
        task = asyncio.create_task(rounds.run())
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(run())


def test_what_a_round_finds_is_shown_and_what_changes_is_logged(cells):
    state = {"answer": with_soa(UNBOUND_SOA, "20.172.in-addr.arpa.")}
    with resolver(lambda octets, over_tcp: state["answer"](octets, over_tcp)) as target:
        rounds, log = make(cells, [target])
        run_until(rounds, lambda: log.said)
        assert log.said == [("warning", "a resolver leaks", str(target), "172.16.0.0/12")]
        (fact,) = rounds.facts
        ((examined, found),) = rounds.found
        assert (examined, found.leaks, time.time() - rounds.at < 60) == (target, True, True)
        assert (fact.resolver, fact.answers, fact.leaks) == (
            str(target),
            True,
            {**dict.fromkeys(BLOCKS, 0), "172.16.0.0/12": 1},
        )
        assert rounds.read() == {
            "resolver_answers": [((str(target),), 1)],
            "resolver_leaks": [((str(target), block), int(block == "172.16.0.0/12")) for block in BLOCKS],
            "resolver_unknown": [((str(target),), 0)],
            "resolver_probe_seconds": [((str(target),), fact.seconds)],
        }
        state["answer"] = with_soa(UNBOUND_SOA)
        run_until(rounds, lambda: len(log.said) > 1)
        assert log.said[1:] == [("info", "a resolver does not leak any more", str(target))]
    run_until(rounds, lambda: len(log.said) > 2)
    assert log.said[2:] == [("warning", "a resolver does not answer", str(target))]
    assert (rounds.facts[0].answers, rounds.facts[0].leaks) == (False, {})
    assert rounds.read()["resolver_leaks"] == rounds.read()["resolver_unknown"] == []


def test_what_is_not_known_is_no_zero(cells):
    state = {"answer": with_soa(UNBOUND_SOA)}

    def refuse(octets, over_tcp):
        return respond(octets, "REFUSED")

    def servfail_for_ten(octets, over_tcp):
        is_ten = ".10.in-addr.arpa." in str(dns.message.from_wire(octets).question[0].name)
        return respond(octets, "SERVFAIL") if is_ten else with_soa(UNBOUND_SOA)(octets, over_tcp)

    with resolver(lambda octets, over_tcp: state["answer"](octets, over_tcp)) as target:
        rounds, log = make(cells, [target])
        state["answer"] = servfail_for_ten
        run_until(rounds, lambda: log.said)
        assert log.said == [("warning", "whether a resolver leaks is not known", str(target), "10.0.0.0/8")]
        assert rounds.facts[0].leaks == dict.fromkeys([block for block in BLOCKS if block != "10.0.0.0/8"], 0)
        assert rounds.read()["resolver_unknown"] == [((str(target),), 1)]
        state["answer"] = refuse  # who refuses everything may answer others
        run_until(rounds, lambda: len(log.said) > 1)
        assert rounds.read()["resolver_leaks"] == []
        assert rounds.read()["resolver_unknown"] == [((str(target),), len(BLOCKS))]


def test_a_resolver_that_comes_back_answers_again(cells):
    target = Resolver("127.0.0.1", free_port())
    rounds, log = make(cells, [target])
    run_until(rounds, lambda: log.said)
    with resolver(with_soa(UNBOUND_SOA), port=target.port):
        run_until(rounds, lambda: len(log.said) > 1)
    assert log.said == [
        ("warning", "a resolver does not answer", str(target)),
        ("info", "a resolver answers again", str(target)),
    ]


def test_the_answers_of_what_is_served_are_no_leaks(cells):
    # By its SOA it would be a sink's, but the snapshot has the same.
    cells.load("web.example.com", "defaults: {ns: [prisoner.iana.org], soa: {rname: hostmaster.root-servers.org}}")
    apex = "10.in-addr.arpa."
    with resolver(with_soa(UNBOUND_SOA, apex, PUBLIC_SOA)) as target:
        rounds, log = make(cells, [target])
        run_until(rounds, lambda: rounds.facts)
    assert set(rounds.facts[0].leaks.values()) == {0}
    assert log.said == []


def test_no_more_resolvers_are_examined_than_have_series(cells):
    rounds, _ = make(cells, [f"127.0.0.{octet}:{free_port()}" for octet in range(1, 11)])
    run_until(rounds, lambda: rounds.facts)
    assert len(rounds.facts) == MAX_RESOLVERS


def test_a_round_that_fails_is_logged_and_not_the_last(cells):
    calls = []

    def open_newest():
        calls.append(1)
        if len(calls) == 1:
            raise OSError("broken")
        return open_snapshot(str(cells.snapshot))

    rounds, log = make(cells, [f"127.0.0.1:{free_port()}"], open_newest)
    run_until(rounds, lambda: rounds.facts)
    assert log.said[0] == ("error", "the resolvers could not be examined", "OSError('broken')")


def test_nothing_is_asked_before_zones_are_served(cells):
    rounds, _ = make(cells, [], lambda: pytest.fail("there is no snapshot yet"), generation=0)

    async def run():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await rounds.run()

    asyncio.run(run())


def test_a_server_makes_rounds_where_its_settings_say_so(tmp_path):
    with resolver(with_soa(UNBOUND_SOA, "10.in-addr.arpa.")) as target:
        config = f"doctor: {{interval: 1m, resolvers: ['{target}']}}"
        with Service(tmp_path, config=config).start() as service:
            wait_until(lambda: service.lines("a resolver leaks"), 20)
            label = f'resolver="{target}"'
            assert service.metric(f'blackhole_guard_resolver_leaks{{block="10.0.0.0/8",{label}}}') == 1
            assert service.metric(f"blackhole_guard_resolver_answers{{{label}}}") == 1
            assert service.stop() == 0
