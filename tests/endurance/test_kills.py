"""Processes that are killed under 5,000 queries a second: who asks should hardly notice.

Every query is accounted for by port and ID. The bounds: a worker's death loses at most a second of that worker's share,
and with two workers at most 0.1 % of all; the death of any other process loses nothing.
"""

import os
import signal
import time

import pytest
from chaos_maps import BASE_SERIAL, GenerationCheck, make_questions, render_generation
from installations import Installation, installed, is_running, kill, wait_for
from steady_client import RATE, Account, asking

# Another test beside it, or a tracer in the server, and what is lost says nothing of the server.
pytestmark = pytest.mark.alone

KILLS = 5
PAUSE = 1.2  # seconds between two kills: the successor serves by then


def nothing_wrong(account: Account) -> None:
    print(account)
    assert account.wrong == [], account.wrong[:5]
    assert account.strange == 0
    assert account.dropped_here == 0, account  # else the client has lost them, not the server


def nothing_lost(account: Account) -> None:
    nothing_wrong(account)
    assert account.lost == [], account


@pytest.fixture(scope="module")
def pair():
    """Two workers, one map; the tests leave it as they find it."""
    with installed({"map.yaml": render_generation(1)}) as server:
        server.start()
        yield server


def serials(server: Installation) -> dict[str, int]:
    found = {}
    for zone in ("10.in-addr.arpa.", "168.192.in-addr.arpa.", "127.in-addr.arpa."):
        reply = server.ask(zone, "SOA")
        found[zone] = reply.answer[0][0].serial
    return found


def test_a_steady_client_loses_nothing_when_nobody_is_killed(pair):
    """What the machine itself loses, so that the other figures mean something."""
    with asking(pair.address, make_questions(), GenerationCheck()) as account:
        time.sleep(2)
    nothing_lost(account)


def test_one_of_two_workers_is_killed_five_times(pair):
    supervisor = pair.pid
    with asking(pair.address, make_questions(), GenerationCheck()) as account:
        for turn in range(KILLS):
            victim = pair.await_children("worker", 2)[turn % 2]
            kill(victim)
            time.sleep(PAUSE)
            pair.await_children("worker", 2, besides=victim)
    nothing_wrong(account)
    assert account.sent > KILLS * PAUSE * RATE / 2
    assert len(account.lost) <= KILLS * RATE / 2, account  # a second of one worker's share each time
    assert account.share_lost <= 0.001, account
    assert pair.pid == supervisor and is_running(supervisor)
    restarts = sum(value for name, value in pair.metrics().items() if "worker_restarts_total" in name)
    assert restarts >= KILLS


def test_the_only_worker_is_killed_five_times():
    with installed({"map.yaml": render_generation(1)}, workers=1) as server:
        server.start()
        with asking(server.address, make_questions(), GenerationCheck()) as account:
            for _ in range(KILLS):
                (victim,) = server.await_children("worker", 1)
                kill(victim)
                time.sleep(PAUSE)
                server.await_children("worker", 1, besides=victim)
    nothing_wrong(account)
    assert len(account.lost) <= KILLS * RATE, account


def test_a_worker_that_hangs_is_replaced(pair):
    """SIGSTOP is as good as any hang: its neighbour reads for it, then it is killed."""
    with asking(pair.address, make_questions(), GenerationCheck()) as account:
        victim = pair.await_children("worker", 2)[0]
        os.kill(victim, signal.SIGSTOP)
        begun = time.monotonic()
        pair.await_children("worker", 2, besides=victim)
        assert time.monotonic() - begun < 6
        time.sleep(0.5)
    nothing_wrong(account)
    # Were its sockets read by nobody until it is replaced, what waited for two seconds would be lost.
    assert account.share_lost <= 0.05, account


def test_the_observer_is_killed(pair):
    with asking(pair.address, make_questions(), GenerationCheck()) as account:
        for _ in range(3):
            (victim,) = pair.await_children("observer", 1)
            kill(victim)
            pair.await_children("observer", 1, besides=victim)
            time.sleep(0.3)
    nothing_lost(account)
    assert wait_for(lambda: metrics_or_none(pair), 5, "metrics")


def metrics_or_none(server: Installation) -> dict[str, float] | None:
    try:
        return server.metrics()
    except OSError:
        return None


def test_the_loader_is_killed(pair):
    """A load that dies changes nothing, is an error to who asked for it, and the next one loads."""
    pair.write_map(render_generation(2, hosts=40_000))
    check = GenerationCheck()
    with asking(pair.address, make_questions(), check) as account:
        with pair.reloading() as reload:
            (loader,) = pair.await_children("loader", 1)
            kill(loader)
        assert reload.returncode == 1, reload.output
        time.sleep(0.5)
        assert set(check.seen) == {1}
        pair.write_map(render_generation(2))
        done = pair.reload()
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(lambda: 2 in check.seen, 2, "the new map")
        pair.write_map(render_generation(1))
        assert pair.reload().returncode == 0
    nothing_lost(account)


def test_the_supervisor_is_killed():
    """Nobody is left after a second, and who comes back says the same."""
    with installed({"map.yaml": render_generation(1)}) as server:
        server.start()
        # A second version, so that the serials are not merely the first ones.
        server.write_map(render_generation(2))
        assert server.reload().returncode == 0
        before = serials(server)
        assert before["10.in-addr.arpa."] == BASE_SERIAL + 2
        children = [pid for pids in server.children().values() for pid in pids]
        assert len(children) >= 3
        with asking(server.address, make_questions(), GenerationCheck()) as account:
            time.sleep(0.3)
            server.kill()
            time.sleep(1.0)
            assert [pid for pid in children if is_running(pid)] == []
        assert account.wrong == [] and account.refused, account
        server.start()
        assert serials(server) == before
        assert server.stop() == 0


def test_a_load_that_dies_with_the_supervisor_leaves_a_store_that_opens():
    with installed({"map.yaml": render_generation(1)}) as server:
        server.start()
        before = serials(server)
        for pause in (0.0, 0.15, 0.3, 0.5):
            server.write_map(render_generation(2, hosts=30_000))
            with server.reloading():
                server.await_children("loader", 1)
                time.sleep(pause)
                server.kill()
            server.write_map(render_generation(1))
            server.start()
            assert serials(server)["10.in-addr.arpa."] == before["10.in-addr.arpa."]


def test_it_ends_with_nothing_lost_of_what_it_has():
    """SIGTERM: what is in hand is answered, the exit code is 0, nobody is left."""
    with installed({"map.yaml": render_generation(1)}) as server:
        server.start()
        children = [pid for pids in server.children().values() for pid in pids]
        assert server.ask("1.0.0.10.in-addr.arpa.", "PTR").answer
        assert server.stop() == 0
        assert [pid for pid in children if is_running(pid)] == []
