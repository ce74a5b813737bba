"""The keeper in a running observer: what it keeps over restarts."""

import asyncio
import contextlib
from ipaddress import ip_address

import pytest
from test_watch_reports import see

from blackhole_guard.api.observed import show_leak
from blackhole_guard.app import state_file
from blackhole_guard.app.leak_keeper import LeakKeeper
from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.observed_state import dump_observed
from blackhole_guard.leaks.windows import Window
from blackhole_guard.reserved.registry import Sink

NOW = 1_700_000_000.0
CLIENT = ip_address("203.0.113.77").packed


class Log:
    def __init__(self):
        self.errors = []

    def error(self, event, **fields):
        self.errors.append((event, fields))


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def make(tmp_path, log):
    return lambda now=NOW, clients="addresses": LeakKeeper(str(tmp_path), clients, log, lambda: now)


def run(keeper, during, seconds=0.0):
    async def work():
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(0)
        during()
        await asyncio.sleep(seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(work())


def test_tops_and_times_are_kept_and_counts_begin_anew(make, log):
    before = make()
    run(before, lambda: before.add(see(at=NOW - 1)))
    before.settle(Via.PACKETS, Sink.AS112, "10.0.0.0/8", 0.5)
    before.close()
    after = make(NOW + 60)
    (tally,) = after.observed.tallies()
    assert (tally.leaks, tally.first, tally.last) == (0, NOW - 1, NOW - 1)
    assert after.observed.tops(Via.PACKETS).report(Window.HOUR, NOW + 60).total == 1
    assert after.observed.leaks == {}
    assert log.errors == []


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOW - 3600, NOW - 3600),
        (NOW + 3600, NOW + 3600),
        (NOW - 3601, NOW),
        (NOW + 3601, NOW),
        (0.0, NOW),  # not told
        (37.0, NOW),  # of a machine that has just started, without a clock that outlives that
        (2.0**39, NOW),
    ],
)
def test_a_clock_that_was_not_set_does_not_say_since_when_a_block_leaks(make, at, shown):
    keeper = make()
    keeper.add(see(at=at))
    (tally,) = keeper.observed.tallies()
    assert (tally.first, tally.last) == (shown, shown)
    assert [leak.at for leak in keeper.observed.recent] == [shown]


def test_where_networks_are_kept_no_address_of_a_client_is(make):
    keeper = make(clients="networks")
    leak = see()._replace(client=ip_address("10.1.2.3").packed, sender=ip_address("2001:db8:1:2fff::3").packed)
    for each in (leak, leak._replace(client=None)):
        keeper.add(each)
    first, second = (show_leak(each) for each in keeper.observed.recent)
    assert (first.client, first.sender) == ("10.1.2.0/24", "2001:db8:1:2f00::/56")
    assert (second.client, second.sender) == (None, first.sender)
    shown = keeper.observed.tops(Via.PACKETS).report(Window.HOUR, NOW).clients
    assert sorted(str(top.client) for top in shown) == [first.client, first.sender]
    assert leak.client not in dump_observed(keeper.observed)


def test_it_saves_from_time_to_time(make, tmp_path, monkeypatch):
    monkeypatch.setattr(state_file, "_SAVE_EVERY", 0.01)
    keeper = make()
    run(keeper, lambda: keeper.add(see()), 0.2)
    assert (tmp_path / "leaks").exists()


def test_nothing_new_is_not_saved(make, tmp_path):
    keeper = make()
    run(keeper, lambda: None)
    keeper.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"damaged", b"\x83" + bytes(1000)])
def test_a_damaged_state_is_told_of_and_begun_anew(make, log, tmp_path, content):
    (tmp_path / "leaks").write_bytes(content)
    keeper = make()
    assert [event for event, _ in log.errors] == ["the tops of observed leaks begin anew"]
    keeper.add(see())
    keeper.close()
    assert make().observed.tops(Via.PACKETS).report(Window.DAY, NOW).total == 1


def test_another_setting_of_clients_is_told_of(make, log):
    keeper = make(clients="networks")
    keeper.add(see())
    keeper.close()
    make()
    assert "telemetry.tops.clients" in log.errors[0][1]["reason"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_another_setting_kept_does_not_stay(make, tmp_path, monkeypatch, is_killed):
    monkeypatch.setattr(state_file, "_SAVE_EVERY", 0.01)
    keeper = make()
    keeper.add(see()._replace(client=CLIENT))
    keeper.close()
    assert CLIENT in (tmp_path / "leaks").read_bytes()
    keeper = make(clients="networks")
    if is_killed:
        run(keeper, lambda: None, 0.2)
    else:
        keeper.close()
    assert CLIENT not in (tmp_path / "leaks").read_bytes()


def test_a_directory_that_cannot_be_written_to_is_told_of(make, log, tmp_path):
    keeper = LeakKeeper(str(tmp_path / "gone"), "addresses", log, lambda: NOW)
    keeper.add(see())
    keeper.close()
    assert [event for event, _ in log.errors] == ["the tops of observed leaks cannot be saved"]


def test_what_is_kept_is_small(make):
    keeper = make()
    keeper.add(see())
    assert len(dump_observed(keeper.observed)) < 1000
