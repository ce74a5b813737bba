"""Reports of tops: how often they are made, and what others do meanwhile."""

import asyncio
from ipaddress import ip_address

from known_facts import NOW, make_leak, make_observed

from blackhole_guard.api import reports as module
from blackhole_guard.api.reports import ObservedReports, Reports
from blackhole_guard.leaks.counts import Sampling
from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.tops import Tops
from blackhole_guard.leaks.windows import WINDOWS, Window


class Clock:
    """Moves by some seconds at each look."""

    def __init__(self, step=0.0):
        self.now, self.step = 100.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def make_tops(panes=1):
    tops = Tops()
    for pane in range(panes):
        rows = [(ip_address(f"10.0.0.{n}").packed, ip_address("10.9.9.9").packed, True, n) for n in range(1, 6)]
        tops.add(rows, Sampling(0, 1), NOW - 3600 * (panes - 1 - pane))
    return tops


def make(tops, step=0.0):
    clock = Clock(step)
    return Reports(lambda: tops, lambda: NOW, clock, asyncio.Lock()), clock


def test_a_report_has_as_many_as_wanted():
    reports, _ = make(make_tops())
    report = asyncio.run(reports.report(Window.HOUR, 2))
    assert [(top.client, top.count) for top in report.clients] == [("10.0.0.5", 5), ("10.0.0.4", 4)]
    assert len(report.pairs) == 2
    assert report.total == 15


def test_it_is_what_the_tops_say_themselves():
    tops = make_tops(panes=5)
    reports, _ = make(tops)
    for window in WINDOWS:
        assert asyncio.run(reports.report(window, 1000)) == tops.report(window, NOW, 1000)


def test_it_is_good_for_a_second():
    tops = make_tops()
    reports, clock = make(tops)
    first = asyncio.run(reports.report(Window.HOUR, 10))
    tops.add([(bytes(4), b"", False, 1)], Sampling(0, 1), NOW)
    clock.now += 0.9
    assert asyncio.run(reports.report(Window.HOUR, 10)) == first
    clock.now += 0.2
    assert asyncio.run(reports.report(Window.HOUR, 10)).total == first.total + 1


def test_what_takes_long_is_good_for_longer():
    tops = make_tops()
    reports, clock = make(tops, step=0.1)  # each step takes as long
    first = asyncio.run(reports.report(Window.HOUR, 10))
    tops.add([(bytes(4), b"", False, 1)], Sampling(0, 1), NOW)
    clock.now += 3.0
    assert asyncio.run(reports.report(Window.HOUR, 10)) == first
    clock.now += 3.0
    assert asyncio.run(reports.report(Window.HOUR, 10)).total == first.total + 1


def test_others_have_their_turn_between_panes_and_who_wants_the_same_waits_for_it():
    tops = make_tops(panes=10)
    made = []
    tops_merge = tops.merge
    tops.merge = lambda *arguments: made.append(arguments) or tops_merge(*arguments)
    reports, _ = make(tops)
    turns = []

    async def take_turns():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async def run():
        other = asyncio.create_task(take_turns())
        both = await asyncio.gather(reports.report(Window.DAY, 1), reports.report(Window.DAY, 5))
        other.cancel()
        return both

    one, five = asyncio.run(run())
    assert (len(one.clients), len(five.clients), len(made)) == (1, 5, 1)
    assert len(turns) >= 10


def test_one_window_is_merged_at_a_time_whoever_wants_which():
    tops, turn = make_tops(panes=10), asyncio.Lock()
    keepers = [Reports(lambda: tops, lambda: NOW, Clock(), turn) for _ in range(2)]
    running, most = set(), []
    tops_merge = tops.merge

    def merge(window, now):
        key = object()
        running.add(key)
        most.append(len(running))
        yield from tops_merge(window, now)
        running.remove(key)

    tops.merge = merge

    async def run():
        await asyncio.gather(*(keeper.report(window, 1) for keeper in keepers for window in WINDOWS))

    asyncio.run(run())
    assert most == [1] * 6


def test_what_is_no_longer_good_is_let_go(monkeypatch):
    monkeypatch.setattr(module, "_LEAST", 0.01)
    reports, _ = make(make_tops())

    async def run():
        async with asyncio.timeout(10):
            await reports.report(Window.HOUR, 10)
            first = reports._kept[Window.HOUR]
            reports._forget(Window.HOUR, (0.0, b""))  # what another one has replaced
            assert reports._kept == {Window.HOUR: first}
            while reports._kept:
                await asyncio.sleep(0)

    asyncio.run(run())


def test_each_kind_of_evidence_has_a_report_of_its_own():
    name = "3.0.0.10.in-addr.arpa"
    observed = make_observed(make_leak(name, via=Via.PACKETS), make_leak(name), make_leak(name, client="10.0.0.2"))
    reports = ObservedReports(observed, lambda: NOW, Clock(), asyncio.Lock())
    found = asyncio.run(reports.report(Via, Window.HOUR, 10))
    assert {via: report.total for via, report in found.items()} == {Via.PACKETS: 1, Via.DNSTAP: 2}
    assert found == {via: observed.tops(via).report(Window.HOUR, NOW, 10) for via in found}
    assert asyncio.run(reports.report([Via.PACKETS, Via.LOG], Window.HOUR, 10)).keys() == {Via.PACKETS}


def test_what_was_gathered_only_is_in_the_next_report():
    observed, clock = make_observed(make_leak("3.0.0.10.in-addr.arpa")), Clock()
    reports = ObservedReports(observed, lambda: NOW, clock, asyncio.Lock())
    for total in (1, 2):
        found = asyncio.run(reports.report(Via, Window.DAY, 10))
        assert found[Via.DNSTAP].total == total
        observed.add(make_leak("4.0.0.10.in-addr.arpa"))
        clock.now += 2.0
