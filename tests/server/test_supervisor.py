"""The supervisor with real forks, sockets and signals."""

import json
import os
import signal
import socket
import threading
import time

import msgspec
import pytest
from doubles import QUERY
from supervised import Supervised, children_of, open_files
from supervisors import wait_until

from blackhole_guard.server import system
from blackhole_guard.server.control import ControlError, ReloadRequest, ask_reload

pytestmark = pytest.mark.timeout(60)  # a reload that is never answered waits for ever


def good(generation, **more):
    return {"result": "loaded", "text": f"number {generation}", "generation": generation, "serving": True, **more}


BAD = {
    "result": "failed",
    "text": "1 error",
    "generation": 1,
    "serving": True,
    "problems": [{"place": {"file": "maps", "line": 3}, "what": "no", "hint": "yes"}],
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path


class TestStart:
    def test_it_loads_starts_its_workers_and_serves(self, folder):
        with Supervised(folder, slots=2) as server:
            server.await_serving()
            assert server.ask(20) == [1] * 20
            wait_until(lambda: set(server.children()) == {"guard-worker-0", "guard-worker-1", "guard-observer"})
            assert server.board.serving(0) and server.board.serving(1)
            assert [request[:2] for request in server.requests()] == [("LOAD", "False")]

    def test_no_worker_before_there_is_something_to_serve(self, folder):
        with Supervised(folder, maps=good(1, hold=True)) as server:
            wait_until(server.requests)
            assert "guard-worker-0" not in server.children()
            server.release()
            server.await_serving()

    def test_broken_sources_and_a_store_that_holds_something(self, folder):
        with Supervised(folder, maps=BAD) as server:
            server.await_serving()
            assert server.ask() == [1]
            assert server.board.loads("failed") == 1
            assert [line["problem"] for line in server.events("source")] == ["maps:3: no; yes"]

    def test_broken_sources_and_an_empty_store(self, folder):
        with Supervised(folder, maps={**BAD, "serving": False, "generation": 0}) as server:
            assert server.await_exit() == 1
            assert not server.events("serving")

    def test_a_loader_that_dies_is_tried_again_and_then_the_store_is_looked_at(self, folder):
        with Supervised(folder, maps=good(1, die=True)) as server:
            server.await_serving()
            assert [request[0] for request in server.requests()] == ["LOAD", "LOAD", "LOAD", "LOOK"]

    def test_a_loader_that_dies_and_an_empty_store(self, folder):
        with Supervised(folder, maps={**good(0, die=True), "serving": False}) as server:
            assert server.await_exit() == 1

    def test_a_stop_while_it_starts(self, folder):
        with Supervised(folder, maps=good(1, sleep=30)) as server:
            wait_until(lambda: "guard-loader" in server.children())
            os.kill(server.pid, signal.SIGTERM)
            assert server.await_exit() == 0


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signals_that_end_it(self, folder, number):
        with Supervised(folder, slots=2) as server:
            server.await_serving()
            children = server.children()
            os.kill(server.pid, number)
            assert server.await_exit(5) == 0  # before those that are left would be killed
            assert len(children) == 3
            assert not any(is_running(pid) for pid in children.values())
            assert not os.path.exists(os.path.join(server.state_dir, "control.sock"))

    def test_told_together_with_its_children_it_takes_their_ends_for_no_deaths(self, folder):
        with Supervised(folder, slots=2) as server:
            server.await_serving()
            children = server.children().values()
            os.kill(server.pid, signal.SIGSTOP)
            for pid in (server.pid, *children):
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not any(is_running(pid) for pid in children))
            os.kill(server.pid, signal.SIGCONT)
            assert server.await_exit(5) == 0  # before those that are left would be killed
            assert server.events("stopping")
            assert not server.events("a worker died") and not server.events("the observer died")

    def test_it_finishes_what_is_in_hand(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            pid = server.children()["guard-worker-0"]
            os.kill(pid, signal.SIGSTOP)
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.settimeout(5)
            for _ in range(50):
                client.sendto(QUERY, server.address)
            os.kill(server.pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
            for _ in range(50):
                client.recv(1000)
            client.close()
            assert server.await_exit() == 0

    def test_a_worker_that_does_not_end_is_killed(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            os.kill(server.children()["guard-worker-0"], signal.SIGSTOP)
            os.kill(server.pid, signal.SIGTERM)
            assert server.await_exit(8) == 0

    def test_asked_twice_it_ends_at_once(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            os.kill(server.children()["guard-worker-0"], signal.SIGSTOP)
            os.kill(server.pid, signal.SIGTERM)
            time.sleep(0.2)
            os.kill(server.pid, signal.SIGTERM)
            assert server.await_exit(5) == 0

    def test_killed_it_leaves_no_orphan_and_no_lock(self, folder):
        with Supervised(folder, slots=2, maps=good(1, watch=True)) as server:
            server.await_serving()
            wait_until(lambda: len(server.children()) == 4)
            children = server.children()
            os.kill(server.children()["guard-worker-1"], signal.SIGSTOP)  # even one that hangs
            os.kill(server.pid, signal.SIGKILL)
            assert server.await_exit() == -signal.SIGKILL
            wait_until(lambda: not any(is_running(pid) for pid in children.values()))
        with Supervised(folder, slots=1) as server:
            wait_until(lambda: len(server.events("serving")) == 2)
            assert server.ask() == [1]

    def test_signals_that_mean_nothing_to_it(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
                os.kill(server.pid, number)
            assert server.ask() == [1]


class TestWorkers:
    def test_a_killed_worker_is_replaced_and_its_slot_read_meanwhile(self, folder):
        with Supervised(folder, slots=2) as server:
            server.await_serving()
            for death in (1, 2, 3):
                pid = server.children()["guard-worker-1"]
                os.kill(pid, signal.SIGKILL)
                answered = server.ask(40)
                assert len(answered) >= 38  # what was in the dead one's hands is lost
                wait_until(lambda expected=death: server.board.deaths(1) == expected)
                wait_until(lambda: server.board.serving(1))
                assert server.children()["guard-worker-1"] != pid
            wait_until(lambda: server.meters[0]["adopted_slots"] == 0)
            assert len(server.ask(40)) == 40
            assert server.events("a worker died")[0]["how"] == "killed by SIGKILL"

    def test_a_single_worker_is_replaced(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            os.kill(server.children()["guard-worker-0"], signal.SIGKILL)
            assert server.ask(10, seconds=2) == [1] * 10

    def test_the_adopter_dies_too(self, folder):
        with Supervised(folder, slots=3) as server:
            server.await_serving()
            children = server.children()
            os.kill(children["guard-worker-1"], signal.SIGKILL)
            os.kill(children["guard-worker-0"], signal.SIGKILL)
            assert len(server.ask(60, seconds=2)) >= 55
            wait_until(lambda: all(server.board.serving(slot) for slot in range(3)))
            assert len(server.ask(60)) == 60

    def test_one_that_hangs_is_adopted_killed_and_replaced(self, folder):
        with Supervised(folder, slots=2) as server:
            server.await_serving()
            pid = server.children()["guard-worker-1"]
            os.kill(pid, signal.SIGSTOP)
            start = time.monotonic()
            wait_until(lambda: server.meters[0]["adopted_slots"] == 1)
            assert len(server.ask(40)) == 40
            wait_until(lambda: not is_running(pid))
            assert time.monotonic() - start > 1.5  # tests of the slots know the rest
            wait_until(lambda: server.board.serving(1))
            assert len(server.ask(40)) == 40
            assert server.events("a worker hangs and is killed")

    def test_one_that_only_seemed_to_hang_goes_on(self, folder):
        with Supervised(folder, slots=2) as server:
            server.await_serving()
            pid = server.children()["guard-worker-1"]
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: server.meters[0]["adopted_slots"] == 1)
            assert not server.board.serving(1)
            os.kill(pid, signal.SIGCONT)
            wait_until(lambda: server.meters[0]["adopted_slots"] == 0)
            assert server.board.serving(1)
            assert server.children()["guard-worker-1"] == pid

    def test_a_worker_that_dies_of_each_query_costs_few_forks(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            stop = time.monotonic() + 4
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                while time.monotonic() < stop or server.board.deaths(0) < 4:
                    client.sendto(QUERY + b"POISON", server.address)
                    time.sleep(0.01)
            assert server.board.deaths(0) <= 8  # 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2
            wait_until(lambda: server.ask(seconds=0.2) == [1])

    def test_what_waits_for_a_silent_or_dead_workers_successor_is_stamped(self, folder):
        class Late(Supervised):
            def _work(self, slot, end, log):
                time.sleep(2 if (self.folder / "late").exists() else 0)
                return super()._work(slot, end, log)

        with Late(folder) as server:
            server.await_serving()
            (sock,) = server.held.slots[0].udp

            def is_stamped():
                return sock.getsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS)

            server.ask()
            wait_until(lambda: not is_stamped())
            pid = server.children()["guard-worker-0"]
            os.kill(pid, signal.SIGSTOP)
            wait_until(is_stamped)
            os.kill(pid, signal.SIGCONT)
            server.ask()
            wait_until(lambda: not is_stamped())
            (folder / "late").touch()
            os.kill(pid, signal.SIGKILL)
            wait_until(is_stamped)

    def test_one_that_never_begins_is_killed(self, folder, monkeypatch):
        monkeypatch.setattr("blackhole_guard.server.slots._HANGS_STARTING", 3)

        class Stuck(Supervised):
            def _work(self, slot, end, log):
                if not (self.folder / "stuck").exists():
                    (self.folder / "stuck").touch()
                    time.sleep(60)
                return super()._work(slot, end, log)

        with Stuck(folder) as server:
            server.await_serving()
            assert server.events("a worker hangs and is killed")

    def test_an_exception_ends_a_worker_with_its_traceback(self, folder, capfd):
        class Broken(Supervised):
            def _work(self, slot, end, log):
                if not (self.folder / "broken").exists():
                    (self.folder / "broken").touch()
                    raise RuntimeError("cannot begin")
                return super()._work(slot, end, log)

        with Broken(folder) as server:
            server.await_serving()
            assert server.events("a worker died")[0]["how"] == "exit code 70"
        assert "RuntimeError: cannot begin" in capfd.readouterr().err


class TestObserver:
    def test_a_killed_observer_is_replaced_and_nothing_else_happens(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            wait_until(lambda: "guard-observer" in server.children())
            pid = server.children()["guard-observer"]
            os.kill(pid, signal.SIGKILL)
            assert server.ask(10) == [1] * 10
            wait_until(lambda: server.children().get("guard-observer", pid) != pid)
            assert server.events("the observer died")
            assert server.board.deaths(0) == 0

    def test_none_when_there_shall_be_none(self, folder):
        with Supervised(folder, observer=False) as server:
            server.await_serving()
            assert "guard-observer" not in server.children()

    def test_neither_it_nor_a_loader_holds_the_name_servers_sockets(self, folder):
        before = open_files(os.getpid())  # what whoever runs the tests had open is everybody's
        with Supervised(folder, maps=good(1, watch=True)) as server:
            server.await_serving()
            wait_until(lambda: {"guard-loader", "guard-observer"} <= set(server.children()))
            inodes = {f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in server.held.slots[0].udp}

            def holds_nothing(pid):
                links = {link for _, link in open_files(pid) - before}
                return not links & inodes and not any("lock" in link or "eventpoll" in link for link in links)

            for name in ("guard-observer", "guard-loader"):
                pid = server.children()[name]
                wait_until(lambda pid=pid: holds_nothing(pid))  # it has its name before it closes what is not its own


class TestReload:
    def test_by_the_control_socket(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2))
            assert server.reload()["text"] == "number 2"
            assert server.ask() == [2]
            server.write_maps({**BAD, "generation": 2})
            outcome = server.reload()
            assert outcome["result"] == "failed"
            assert outcome["problems"][0]["what"] == "no"
            assert server.ask() == [2]
            assert server.board.loads("failed") == 1

    def test_by_signal(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2))
            os.kill(server.pid, signal.SIGHUP)
            wait_until(lambda: server.ask() == [2])

    def test_force_reaches_the_loader(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            server.reload(force=True)
            assert server.requests()[-1][1] == "True"

    def test_a_thousand_signals_are_at_most_one_more_load(self, folder):
        with Supervised(folder, maps=good(1)) as server:
            server.await_serving()
            server.write_maps(good(2, hold=True))
            os.kill(server.pid, signal.SIGHUP)
            wait_until(lambda: len(server.requests()) == 2)
            for _ in range(1000):
                os.kill(server.pid, signal.SIGHUP)
            server.release()
            wait_until(lambda: server.board.loads("loaded") == 3)
            time.sleep(0.7)
            assert server.board.loads("loaded") == 3

    def test_a_reload_while_one_runs_waits_for_the_next_and_gets_its_outcome(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2, hold=True))
            first, later = [], []
            threads = [threading.Thread(target=lambda: first.append(server.reload()))]
            threads[0].start()
            wait_until(lambda: server.holding)
            server.write_maps(good(3))
            before = len(open_files(server.pid))
            threads += [threading.Thread(target=lambda: later.append(server.reload())) for _ in range(3)]
            for thread in threads[1:]:
                thread.start()
            wait_until(lambda: len(open_files(server.pid)) == before + 3)
            time.sleep(0.1)  # what they ask is read after they are accepted
            server.release()
            for thread in threads:
                thread.join(30)
            assert [outcome["generation"] for outcome in first] == [2]
            assert [outcome["generation"] for outcome in later] == [3, 3, 3]
            assert server.board.loads("loaded") == 3

    @pytest.mark.parametrize("how", ["die", "garbage"])
    def test_a_loader_without_a_report_is_a_failed_reload(self, folder, how):
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2, **{how: True}))
            outcome = server.reload()
            assert outcome["result"] == "failed"
            assert "without a report" in outcome["text"]
            assert server.ask() == [1]
            server.write_maps(good(3))
            assert server.reload()["generation"] == 3

    def test_a_loader_that_takes_too_long(self, folder, monkeypatch):
        monkeypatch.setattr("blackhole_guard.server.loads.LONGEST", 0.5)
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2, sleep=60))
            outcome = server.reload()
            assert outcome["result"] == "failed"
            assert "too long" in outcome["text"]
            assert server.ask() == [1]

    def test_a_report_larger_than_a_pipe(self, folder):
        problems = [{"place": {"file": "maps", "line": line}, "what": "x" * 100} for line in range(5000)]
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps({**BAD, "problems": problems})
            assert len(server.reload()["problems"]) == 5000
            assert len(server.events("source")) == 10
            assert "4991 more" in server.events("source")[-1]["problem"]

    def test_the_server_ends_while_one_waits(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2, sleep=30))
            failure = []

            def ask():
                try:
                    server.reload()
                except ControlError as error:
                    failure.append(str(error))

            thread = threading.Thread(target=ask)
            thread.start()
            wait_until(lambda: "guard-loader" in server.children())
            os.kill(server.pid, signal.SIGTERM)
            thread.join(30)
            assert failure == ["the server ended before the load was done"]


class TestWatch:
    def test_changes_are_loaded_and_the_next_ones_too(self, folder):
        with Supervised(folder, maps=good(1, watch=True)) as server:
            server.await_serving()
            for generation in (2, 3):
                wait_until(lambda: "guard-loader" in server.children())
                server.write_maps(good(generation, watch=True))
                wait_until(lambda expected=generation: server.ask() == [expected])
            assert [request[0] for request in server.requests()][:3] == ["LOAD", "WATCH", "WATCH"]

    def test_an_explicit_reload_takes_the_place_of_the_one_that_waits(self, folder):
        with Supervised(folder, maps=good(1, watch=True)) as server:
            server.await_serving()
            wait_until(lambda: [request[0] for request in server.requests()] == ["LOAD", "WATCH"])
            assert server.reload()["generation"] == 1
            wait_until(lambda: [request[0] for request in server.requests()] == ["LOAD", "WATCH", "LOAD", "WATCH"])
            assert not server.events("load")[-1]["text"].startswith("the loader")

    def test_a_watcher_that_dies_is_started_again(self, folder):
        with Supervised(folder, maps=good(1, watch=True)) as server:
            server.await_serving()
            # Not before it has begun: its name comes first.
            wait_until(lambda: [request[0] for request in server.requests()] == ["LOAD", "WATCH"])
            os.kill(server.children()["guard-loader"], signal.SIGKILL)
            wait_until(lambda: [request[0] for request in server.requests()] == ["LOAD", "WATCH", "WATCH"])
            server.write_maps(good(2, watch=True))
            wait_until(lambda: server.ask() == [2], 20)  # a loader takes what CPU time others leave

    def test_it_is_switched_on_and_off_by_a_load(self, folder):
        with Supervised(folder) as server:
            server.await_serving()
            server.write_maps(good(2, watch=True))
            server.reload()
            wait_until(lambda: "guard-loader" in server.children())
            server.write_maps(good(3, watch=False))
            wait_until(lambda: server.ask() == [3])
            time.sleep(0.3)
            assert "guard-loader" not in server.children()


class Manager:
    """systemd's side of sd_notify(3)."""

    def __init__(self, folder, watchdog=None):
        self.path = str(folder / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.environ = {"NOTIFY_SOCKET": self.path}
        if watchdog:
            self.environ["WATCHDOG_USEC"] = str(int(watchdog * 1e6))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def hear(self, seconds=30.0):
        self.sock.settimeout(seconds)
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().split("\n"))

    def hears_nothing(self, seconds):
        try:
            return self.hear(seconds)
        except TimeoutError:
            return None


class TestSystemd:
    def test_ready_reloading_and_stopping(self, folder):
        with Manager(folder) as manager, Supervised(folder, environ=manager.environ) as server:
            assert manager.hear() == {"READY": "1", "STATUS": "fine"}
            assert server.ask() == [1]
            server.write_maps(good(2))
            before = time.monotonic_ns() // 1000
            server.reload()
            reloading = manager.hear()
            assert reloading["RELOADING"] == "1"
            assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            assert manager.hear() == {"READY": "1", "STATUS": "number 2"}
            os.kill(server.pid, signal.SIGTERM)
            assert manager.hear()["STOPPING"] == "1"

    def test_not_ready_before_every_worker_is(self, folder):
        class Late(Supervised):
            def _work(self, slot, end, log):
                if slot:
                    wait_until((self.folder / "begin").exists)
                return super()._work(slot, end, log)

        with Manager(folder) as manager, Late(folder, slots=2, environ=manager.environ) as server:
            wait_until(lambda: server.board.serving(0))
            assert manager.hears_nothing(0.2) is None
            (folder / "begin").touch()
            assert manager.hear()["READY"] == "1"

    def test_a_watcher_says_reloading_when_it_begins_to_load(self, folder):
        with (
            Manager(folder) as manager,
            Supervised(folder, environ=manager.environ, maps=good(1, watch=True)) as server,
        ):
            assert manager.hear()["READY"] == "1"
            assert manager.hears_nothing(0.5) is None
            server.write_maps(good(2, watch=True))
            assert manager.hear()["RELOADING"] == "1"
            assert manager.hear()["READY"] == "1"

    def test_signs_of_life_only_while_a_worker_gives_them(self, folder):
        with Manager(folder, watchdog=0.4) as manager, Supervised(folder, environ=manager.environ) as server:
            assert manager.hear()["READY"] == "1"
            for _ in range(5):
                assert manager.hear() == {"WATCHDOG": "1"}
            os.kill(server.children()["guard-worker-0"], signal.SIGSTOP)
            wait_until(lambda: manager.hears_nothing(0.4) is None)
            wait_until(lambda: manager.hears_nothing(0.5) == {"WATCHDOG": "1"})


def test_a_request_that_is_none(folder):
    with Supervised(folder) as server:
        server.await_serving()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.path.join(server.state_dir, "control.sock"))
            client.sendall(b'{"command": "destroy"}\n')
            assert json.loads(client.recv(65536))["result"] == "refused"
        with pytest.raises(ControlError, match="no server"):
            ask_reload(str(folder / "nothing"), ReloadRequest("reload"))
        assert msgspec.json.decode(ask_reload(os.path.join(server.state_dir, "control.sock"), ReloadRequest("reload")))
        assert server.ask() == [1]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_children_are_named(folder):
    with Supervised(folder) as server:
        server.await_serving()
        assert "guard-worker-0" in children_of(server.pid)
