"""A worker as a process: its life, its end, its neighbours' sockets, and what it survives."""

import gc
import os
import resource
import signal
import socket
import time

import pytest
from doubles import FORK, QUERY, in_child, response_to
from supervisors import CountingResponder, Supervisor, ask_tcp, ask_udp, wait_until

from blackhole_guard.server import system, way_back
from blackhole_guard.server.channel import Kind
from blackhole_guard.server.sockets import HeldSockets, SlotSockets, open_sockets
from blackhole_guard.server.worker import EXIT_ORPHANED, EXIT_STOPPED


@pytest.fixture
def supervisor():
    with Supervisor() as one:
        yield one


@pytest.fixture
def pair():
    with Supervisor(slots=2) as two:
        yield two


class TestLife:
    def test_a_worker_says_when_it_is_ready_and_answers_over_both_transports(self):
        with Supervisor(listen=["127.0.0.1:0", "[::1]:0"]) as supervisor:
            supervisor.start()
            supervisor.await_ready()
            for sock in supervisor.held.slots[0].udp:
                assert ask_udp(sock.getsockname()[:2], 5) == 5
                assert ask_tcp(sock.getsockname()[:2])
            wait_until(lambda: supervisor.meters[0]["tcp_accepted"] == 2)
            wait_until(lambda: supervisor.meters[0]["observed"] >= 4)  # one or more a turn, after it is sent
            assert supervisor.meters[0]["observed"] <= 12

    def test_its_heart_beats_and_counters_are_folded_only_after_traffic(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        meter = supervisor.meters[0]
        start = time.monotonic()
        wait_until(lambda: meter["beats"] >= 2)
        assert meter["beats"] <= time.monotonic() - start + 2
        assert meter["folds"] == 0
        assert ask_udp(supervisor.address) == 1
        wait_until(lambda: meter["folds"])
        time.sleep(1.1)
        assert meter["folds"] == 1
        assert ask_tcp(supervisor.address)
        wait_until(lambda: meter["folds"] == 2)

    def test_counters_are_folded_half_a_second_after_the_first_query(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        meter = supervisor.meters[0]
        for number in (1, 2):
            beats = meter["beats"]
            wait_until(lambda beats=beats: meter["beats"] > beats)
            beats = meter["beats"]
            assert ask_udp(supervisor.address) == 1
            wait_until(lambda number=number: meter["folds"] == number, 0.9)
            assert meter["beats"] == beats  # it did not wait for the next one

    def test_its_heart_beats_under_a_flood(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        meter, end = supervisor.meters[0], time.monotonic() + 30
        before = meter["beats"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            while meter["beats"] - before < 2:
                assert time.monotonic() < end
                for _ in range(100):
                    client.sendto(response_to(QUERY), supervisor.address)

    def test_what_lives_at_the_start_is_kept_from_the_collector(self, supervisor):
        class Frozen(CountingResponder):
            def respond(self, octets, source, transport):
                return response_to(octets) if gc.get_freeze_count() > 1000 else None

        supervisor.make_responder = Frozen
        supervisor.start()
        assert ask_udp(supervisor.address) == 1

    def test_datagrams_that_the_kernel_dropped_are_shown(self, supervisor):
        (sock,) = supervisor.held.slots[0].udp
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(100):
                client.sendto(QUERY, supervisor.address)
        supervisor.start()
        wait_until(lambda: supervisor.meters[0]["receive_buffer_drops"] > 50)
        # A successor shows the same number and more: the counter belongs to the socket.
        before = supervisor.meters[0]["receive_buffer_drops"]
        supervisor.kill()
        supervisor.start()
        supervisor.await_ready()
        assert ask_udp(supervisor.address) == 1
        time.sleep(0.6)
        assert supervisor.meters[0]["receive_buffer_drops"] == before


class TestEnd:
    @pytest.mark.parametrize("how", ["signal", "message"])
    def test_told_to_stop_it_ends_well(self, supervisor, how):
        supervisor.start()
        supervisor.await_ready()
        start = time.monotonic()
        if how == "signal":
            os.kill(supervisor.processes[0].pid, signal.SIGTERM)
        else:
            supervisor.tell(0, Kind.STOP)
        assert supervisor.await_exit() == EXIT_STOPPED
        assert time.monotonic() - start < 3  # where a client holds it up it is more

    def test_it_finishes_what_is_in_hand_and_brings_out_its_counters(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        clients = [socket.create_connection(supervisor.address, timeout=5) for _ in range(5)]
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.settimeout(5)
        assert ask_tcp(supervisor.address)
        wait_until(lambda: supervisor.meters[0]["folds"] == 1)
        pid = supervisor.processes[0].pid
        os.kill(pid, signal.SIGSTOP)
        for _ in range(100):
            udp.sendto(QUERY, supervisor.address)
        for client in clients:
            client.sendall((len(QUERY).to_bytes(2, "big") + QUERY) * 200)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert [udp.recv(1000) for _ in range(100)] == [response_to(QUERY)] * 100
        for client in clients:
            octets = b""
            while part := client.recv(65536):
                octets += part
            assert octets == (len(QUERY).to_bytes(2, "big") + response_to(QUERY)) * 200
            client.close()
        udp.close()
        assert supervisor.await_exit() == EXIT_STOPPED
        assert supervisor.meters[0]["folds"] == 2
        assert supervisor.meters[0]["tcp_connections"] == 0

    def test_a_client_that_does_not_read_holds_it_for_less_than_five_seconds(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(supervisor.address)
            large = QUERY + b"LARGE"
            client.sendall((len(large).to_bytes(2, "big") + large) * 100)
            wait_until(lambda: supervisor.meters[0]["tcp_connections"] == 1)
            start = time.monotonic()
            supervisor.tell(0, Kind.STOP)
            assert supervisor.await_exit() == EXIT_STOPPED
            assert 3 < time.monotonic() - start < 5.5  # when the supervisor would kill it

    def test_an_error_in_the_last_datagrams_keeps_none_from_the_rest(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        client = socket.create_connection(supervisor.address, timeout=5)
        wait_until(lambda: supervisor.meters[0]["tcp_connections"] == 1)
        pid = supervisor.processes[0].pid
        os.kill(pid, signal.SIGSTOP)
        client.sendall(len(QUERY).to_bytes(2, "big") + QUERY)
        os.kill(pid, signal.SIGTERM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for _ in range(200):
                udp.sendto(QUERY + b"BOOM", supervisor.address)
        os.kill(pid, signal.SIGCONT)
        assert client.recv(1000)[2:] == response_to(QUERY)
        client.close()
        assert supervisor.await_exit() == EXIT_STOPPED
        assert supervisor.meters[0]["worker_errors"] >= 1

    def test_signals_of_the_terminal_are_the_supervisors(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            os.kill(supervisor.processes[0].pid, number)
        assert ask_udp(supervisor.address) == 1

    def test_without_its_supervisor_it_ends_at_once(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        supervisor.channels[0].close()
        assert supervisor.await_exit(seconds=2) == EXIT_ORPHANED

    def test_a_supervisor_gone_before_the_first_word(self, supervisor):
        class Late(CountingResponder):
            def __init__(self, meter):
                super().__init__(meter)
                self.first = True

            def refresh(self):
                if self.first:
                    self.first = False
                    time.sleep(0.3)

        supervisor.make_responder = Late
        supervisor.start()
        supervisor.channels[0].close()
        assert supervisor.await_exit(seconds=2) == EXIT_ORPHANED

    def test_a_supervisor_dead_before_the_worker_began_is_noticed(self, supervisor):
        supervisor.start(parent=1)
        assert supervisor.await_exit(seconds=2) == EXIT_ORPHANED

    def test_the_kernel_kills_it_with_its_supervisor_even_when_it_hangs(self):
        """The channel cannot say it here: this process holds the supervisor's end, too."""
        here, there = FORK.Pipe(duplex=False)

        class Hanging(CountingResponder):
            def respond(self, octets, source, transport):
                there.send(os.getpid())
                time.sleep(60)

        def supervise():
            supervisor = Supervisor()
            supervisor.make_responder = Hanging
            supervisor.start()
            supervisor.await_ready()
            ask_udp(supervisor.address, seconds=0.1)
            time.sleep(60)

        process = FORK.Process(target=supervise)
        process.start()
        assert here.poll(10)
        pid = here.recv()
        assert is_running(pid)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        wait_until(lambda: not is_running(pid))
        here.close()
        there.close()


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestNeighbours:
    CLIENTS = 40  # from as many ports: each slot gets some

    def test_a_dead_neighbours_sockets_are_read_while_told(self, pair):
        pair.start(0)
        pair.start(1)
        pair.await_ready(0)
        pair.await_ready(1)
        assert ask_udp(pair.address, self.CLIENTS) == self.CLIENTS
        pair.kill(1)
        assert ask_udp(pair.address, self.CLIENTS, 0.3) < self.CLIENTS
        pair.tell(0, Kind.ADOPT, 1)
        assert ask_udp(pair.address, self.CLIENTS) == self.CLIENTS
        assert all(ask_tcp(pair.address) for _ in range(self.CLIENTS))
        assert pair.meters[0]["adopted_slots"] == 1
        pair.tell(0, Kind.RELEASE, 1)
        wait_until(lambda: pair.meters[0]["adopted_slots"] == 0)
        assert 0 < ask_udp(pair.address, self.CLIENTS, 0.3) < self.CLIENTS
        assert not all(ask_tcp(pair.address, 0.05) for _ in range(self.CLIENTS))

    def test_a_successor_and_the_adopter_side_by_side(self, pair):
        pair.start(0)
        pair.await_ready(0)
        pair.tell(0, Kind.ADOPT, 1)
        pair.start(1)
        pair.await_ready(1)
        assert ask_udp(pair.address, self.CLIENTS) == self.CLIENTS
        pair.tell(0, Kind.RELEASE, 1)
        wait_until(lambda: pair.meters[0]["adopted_slots"] == 0)
        assert ask_udp(pair.address, self.CLIENTS) == self.CLIENTS

    def test_what_waited_too_long_is_dropped_and_the_rest_answered(self, pair, monkeypatch):
        monkeypatch.setattr(way_back, "STALE", 1.0)
        pair.start(0)
        pair.await_ready(0)
        pair.held.slots[1].stamp_arrivals(True)
        old = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(self.CLIENTS)]
        for client in old:
            client.sendto(QUERY, pair.address)
        time.sleep(1.3)
        pair.tell(0, Kind.ADOPT, 1)
        assert ask_udp(pair.address, self.CLIENTS) == self.CLIENTS
        stale = pair.meters[0]["datagrams_dropped/stale"]
        assert 0 < stale < self.CLIENTS
        for client in old:
            client.setblocking(False)
        assert sum(has_answer(client) for client in old) == self.CLIENTS - stale
        (adopted,) = pair.held.slots[1].udp
        wait_until(lambda: adopted.getsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS) == 0)

    def test_a_socket_that_all_slots_share_is_read_once_and_kept_on_release(self):
        single = open_sockets(["127.0.0.1:0"], 53, 1)
        (slot,) = single.slots
        shared = tuple(SlotSockets(number, slot.udp, slot.tcp) for number in range(2))
        with Supervisor(slots=2, held=HeldSockets(shared, single.addresses, ())) as supervisor:
            supervisor.start(0)
            supervisor.await_ready(0)
            supervisor.tell(0, Kind.ADOPT, 1)
            wait_until(lambda: supervisor.meters[0]["adopted_slots"] == 1)
            assert ask_udp(supervisor.address, 5) == 5
            supervisor.tell(0, Kind.RELEASE, 1)
            wait_until(lambda: supervisor.meters[0]["adopted_slots"] == 0)
            assert ask_udp(supervisor.address, 5) == 5
            assert ask_tcp(supervisor.address)
            supervisor.start(1)
            supervisor.await_ready(1)
            assert ask_udp(supervisor.address, 50) == 50
            wait_until(lambda: supervisor.meters[0]["folds"])
            assert supervisor.meters[1]["receive_buffer_drops"] == 0

    def test_a_slot_that_there_is_not_is_ignored(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        supervisor.tell(0, Kind.ADOPT, 9)
        supervisor.tell(0, Kind.READY, 0)
        assert ask_udp(supervisor.address) == 1
        assert supervisor.meters[0]["worker_errors"] == 0

    def test_our_own_sockets_get_no_answers(self):
        with Supervisor(listen=["127.0.0.1:0", "127.0.0.2:0"]) as supervisor:
            supervisor.start()
            supervisor.await_ready()
            first, second = supervisor.held.slots[0].udp
            first.sendto(QUERY, second.getsockname())
            wait_until(lambda: supervisor.meters[0]["datagrams_dropped/own_address"] == 1)


def has_answer(client):
    try:
        return client.recv(1000) == response_to(QUERY)
    except BlockingIOError:
        return False
    finally:
        client.close()


class TestErrors:
    def test_a_bug_is_counted_each_time_and_logged_once(self, supervisor):
        supervisor.start()
        supervisor.await_ready()
        for _ in range(3):
            assert ask_udp(supervisor.address, seconds=0.05, query=QUERY + b"BOOM") == 0
        assert not ask_tcp(supervisor.address, query=QUERY + b"BOOM")
        assert ask_udp(supervisor.address) == 1
        assert supervisor.meters[0]["worker_errors"] == 4
        ((event, fields),) = supervisor.log.lines()
        assert event == "unexpected error in a worker"
        assert fields["error"] == "RuntimeError('boom')"
        assert "doubles.py:" in fields["where"]
        assert fields["slot"] == 0

    def test_a_snapshot_that_does_not_open_leaves_the_old_one_in_force(self, supervisor):
        class Stuck(CountingResponder):
            def __init__(self, meter):
                super().__init__(meter)
                self.stale_snapshot = True

        supervisor.make_responder = Stuck
        supervisor.start()
        supervisor.await_ready()
        assert ask_udp(supervisor.address, 10) == 10
        assert ask_tcp(supervisor.address)
        meter = supervisor.meters[0]
        wait_until(lambda: meter["worker_errors"] == meter["refreshed"] > 2)
        assert len(supervisor.log.lines()) == 1

    def test_different_bugs_are_logged_up_to_a_number(self, supervisor):
        class Many(CountingResponder):
            def respond(self, octets, source, transport):
                raise type(f"Bug{octets[0]}", (Exception,), {})

        supervisor.make_responder = Many
        supervisor.start()
        supervisor.await_ready()
        for number in range(20):
            ask_udp(supervisor.address, seconds=0.02, query=bytes((number,)) + QUERY)
        wait_until(lambda: supervisor.meters[0]["worker_errors"] == 20)
        assert len(supervisor.log.lines()) == 16

    def test_connections_stay_below_the_descriptors_of_the_process(self):
        def check():
            resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
            with Supervisor() as supervisor:
                supervisor.start()
                supervisor.await_ready()
                clients = [socket.create_connection(supervisor.address, timeout=5) for _ in range(70)]
                assert ask_udp(supervisor.address) == 1
                wait_until(lambda: supervisor.meters[0]["tcp_accepted"] == 70)
                assert supervisor.meters[0]["tcp_connections"] <= 64
                assert supervisor.meters[0]["accept_errors"] == 0
                assert ask_tcp(supervisor.address)
                for client in clients:
                    client.close()

        in_child(check)
