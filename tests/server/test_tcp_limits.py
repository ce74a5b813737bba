"""TCP: how many clients there may be, clients that reset, and accepting without means."""

import asyncio
import errno
import os
import resource
import socket
import time

import pytest
from doubles import QUERY, in_child, in_namespace, response_to, run_in_worker_loop, until
from tcp_clients import PATIENT, frame, query, read_message, reset, send, serving


class TestNumbers:
    def test_when_full_the_longest_idle_gives_way_and_the_newcomer_is_served(self):
        async def check():
            async with serving(connections=4, per_client=100, **PATIENT) as served:
                clients = [await served.connect() for _ in range(4)]
                for number in (1, 2, 3, 0):  # so that 1 is the longest idle
                    await send(clients[number], frame(query(number)))
                    assert await read_message(clients[number]) == response_to(query(number))
                newcomer = await served.connect()
                await send(newcomer, frame(query(9)))
                assert await read_message(newcomer) == response_to(query(9))
                assert await read_message(clients[1]) is None
                assert len(served.service) == 4
                assert served.closed("full") == 1
                for client in (*clients, newcomer):
                    client.close()

        run_in_worker_loop(check())

    def test_a_client_has_its_share_and_loses_its_own_longest_idle(self):
        async def check():
            async with serving(connections=100, per_client=3, **PATIENT) as served:
                other = await served.connect("127.0.0.2")
                await until(lambda: len(served.service) == 1)
                clients = [await served.connect("127.0.0.3") for _ in range(4)]
                assert await read_message(clients[0]) is None
                await send(other, frame(QUERY))
                assert await read_message(other) == response_to(QUERY)
                assert served.closed("per_client") == 1
                assert len(served.service) == 4
                for client in (*clients, other):
                    client.close()

        run_in_worker_loop(check())

    @pytest.mark.root
    def test_an_ipv6_client_is_its_64(self):
        def check():
            run_in_worker_loop(checks())

        async def checks():
            async with serving("[::1]:0", connections=100, per_client=2, **PATIENT) as served:
                clients = [await served.connect(f"fd00:0:0:{net}::{host}") for net in (1, 2) for host in (1, 2, 3)]
                await until(lambda: served.closed("per_client") == 2)
                assert len(served.service) == 4
                for client in clients:
                    client.close()

        in_namespace(
            check,
            commands=tuple(f"addr add fd00:0:0:{net}::{host}/128 dev lo nodad" for net in (1, 2) for host in (1, 2, 3)),
        )

    def test_descriptors_limit_connections_before_the_settings_do(self):
        async def check():
            async with serving(most=3, connections=100, per_client=100, **PATIENT) as served:
                clients = [await served.connect() for _ in range(5)]
                await until(lambda: served.closed("full") == 2)
                assert len(served.service) == 3
                for client in clients:
                    client.close()

        run_in_worker_loop(check())

    @pytest.mark.parametrize("limits", [{"connections": 0}, {"per_client": 0}])
    def test_limits_of_nothing_do_not_hang(self, limits):
        async def check():
            async with serving(**limits) as served:
                with await served.connect() as client:
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)

        run_in_worker_loop(check())

    def test_many_busy_connections_leave_the_loop_its_turns(self):
        async def check():
            async with serving(connections=100, per_client=100, **PATIENT) as served:
                clients = [await served.connect() for _ in range(40)]
                await until(lambda: len(served.service) == 40)
                for client in clients:
                    client.send(frame(QUERY) * 400)
                steps, last = [], 0
                while last < 16_000:
                    await asyncio.sleep(0)
                    steps.append(served.service.received - last)
                    last = served.service.received
                assert max(steps) < 128 + 100
                for client in clients:
                    for _ in range(400):
                        assert await read_message(client) == response_to(QUERY)
                    client.close()

        run_in_worker_loop(check())

    def test_one_that_pipelines_delays_another_by_no_more_than_a_turn_of_the_loop(self):
        async def check():
            async with serving(**PATIENT) as served:
                with await served.connect() as hog, await served.connect() as fair:
                    await until(lambda: len(served.service) == 2)
                    hog.send(frame(QUERY) * 4000)
                    while served.service.received < 100:
                        await asyncio.sleep(0)
                    before = len(served.responder.seen)
                    fair.send(frame(query(1)))
                    assert before < 1000
                    await until(lambda: served.service.received == 4001)
                    assert [each[0] for each in served.responder.seen].index(query(1)) - before < 128 + 100
                    for _ in range(4000):
                        assert await read_message(hog) == response_to(QUERY)
                    assert await read_message(fair) == response_to(query(1))

        run_in_worker_loop(check())

    @pytest.mark.parametrize("more", [b"", b"\0", frame(QUERY) * 3])
    @pytest.mark.parametrize("half_closed", [False, True])
    def test_waiting_for_a_client_takes_no_turns(self, more, half_closed):
        """Whatever else it has sent: while its responses wait nobody looks at it."""

        async def check():
            async with serving(**PATIENT) as served:
                with await served.connect(receive_buffer=4096) as client:
                    await send(client, frame(query(1, b"LARGE")) * 100 + more)
                    if half_closed:
                        client.shutdown(socket.SHUT_WR)
                    await until(lambda: served.service.received >= 2)
                    await asyncio.sleep(0.1)
                    before = served.responder.refreshed
                    await asyncio.sleep(0.3)
                    assert served.responder.refreshed - before < 3

        run_in_worker_loop(check())

    def test_an_idle_connection_takes_no_turns(self):
        async def check():
            async with serving(**PATIENT) as served:
                with await served.connect() as silent, await served.connect() as begun:
                    await send(begun, frame(QUERY) + b"\0")
                    assert await read_message(begun) == response_to(QUERY)
                    before = served.responder.refreshed
                    await asyncio.sleep(0.3)
                    assert served.responder.refreshed == before
                    await send(silent, frame(QUERY))
                    assert await read_message(silent) == response_to(QUERY)

        run_in_worker_loop(check())

    @pytest.mark.parametrize("sources", [1, 50])
    def test_400_hogs_do_not_keep_a_newcomer_waiting(self, sources):
        async def check():
            async with serving(first_query=2, idle=2, message=1) as served:
                before = len(os.listdir("/proc/self/fd"))
                hogs = []
                for number in range(400):
                    hog = await served.connect(f"127.0.1.{number % sources + 1}")
                    hogs.append(hog)
                    # A third each: silent, half a message, one query and then silence.
                    await send(hog, (b"", b"\0", frame(QUERY))[number % 3])
                await until(lambda: served.counted("tcp_accepted") == 400)
                assert len(served.service) <= (16 if sources == 1 else 256)
                for source in ("127.0.1.1", "127.0.2.1"):
                    times = []
                    for _ in range(5):
                        start = time.monotonic()
                        with await served.connect(source) as client:
                            await send(client, frame(QUERY))
                            assert await read_message(client) == response_to(QUERY)
                        times.append(time.monotonic() - start)
                    assert min(times) < 0.1  # the best of five: what other processes do to this one is not ours
                await until(lambda: not len(served.service))
                for hog in hogs:
                    hog.close()
                assert len(os.listdir("/proc/self/fd")) == before

        run_in_worker_loop(check())


class TestResets:
    def test_a_reset_in_any_state_costs_that_connection_alone(self):
        async def check():
            async with serving(per_client=10_000, connections=10_000, **PATIENT) as served:
                before = len(os.listdir("/proc/self/fd"))
                states = [
                    b"",
                    b"\0",
                    frame(QUERY)[:-3],
                    frame(QUERY),
                    frame(query(1, b"LARGE")) * 50,
                    frame(QUERY) * 500,
                ]
                for number in range(600):
                    client = await served.connect(receive_buffer=4096)
                    octets = states[number % len(states)]
                    try:
                        client.send(octets)
                        if number % 2:
                            await asyncio.sleep(0)
                        if number % 3 == 0 and octets:
                            client.recv(10)
                    except (BlockingIOError, ConnectionError):
                        pass
                    reset(client)
                await until(lambda: not len(served.service))
                with await served.connect() as client:
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                assert served.closed("reset") > 300
                await until(lambda: not len(served.service))
                assert len(os.listdir("/proc/self/fd")) == before

        run_in_worker_loop(check())

    def test_a_reset_while_responses_wait_is_seen(self):
        async def check():
            async with serving(**PATIENT) as served:
                client = await served.connect(receive_buffer=4096)
                await send(client, frame(query(1, b"LARGE")) * 100)
                await until(lambda: served.service.received >= 2)
                await asyncio.sleep(0.05)
                reset(client)
                await until(lambda: served.closed("reset") == 1)

        run_in_worker_loop(check())

    def test_closing_while_more_turns_are_due_is_clean(self):
        async def check():
            async with serving(connections=1, per_client=1, pipelined=1, **PATIENT) as served:
                first = await served.connect()
                await send(first, frame(QUERY) * 1300)
                while served.service.received < 3:
                    await asyncio.sleep(0)
                with await served.connect() as second:  # evicts the first between two of its turns
                    await send(second, frame(query(2)))
                    assert await read_message(second) == response_to(query(2))
                assert served.closed("full") + served.closed("per_client") == 1
                first.close()

        run_in_worker_loop(check())


class ReluctantSocket:
    """A connection whose first sends find no room."""

    def __init__(self, sock, refusals):
        self.sock, self.refusals = sock, refusals

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def send(self, octets):
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError
        return self.sock.send(octets)


class ReluctantListener:
    """A listening socket of such connections."""

    def __init__(self, sock):
        self.sock = sock

    def fileno(self):
        return self.sock.fileno()

    def accept(self):
        sock, address = self.sock.accept()
        return ReluctantSocket(sock, 3), address


class FailingListener:
    """A listening socket whose first accepts fail as told."""

    def __init__(self, sock, errors):
        self.sock, self.errors, self.tries = sock, errors, 0

    def fileno(self):
        return self.sock.fileno()

    def accept(self):
        self.tries += 1
        if self.errors:
            raise OSError(self.errors.pop(0), "as told")
        return self.sock.accept()


class UnwatchableListener:
    """A listening socket whose first connection is a regular file, as which epoll(7) cannot watch it."""

    def __init__(self, sock):
        self.sock = sock
        self.accepted = []

    def fileno(self):
        return self.sock.fileno()

    def accept(self):
        connection, address = self.sock.accept()
        if not self.accepted:
            with open(__file__) as file:
                os.dup2(file.fileno(), connection.fileno())
        self.accepted.append(connection)
        return connection, address


class TestAccepting:
    def test_a_response_that_finds_no_room_waits_for_it(self):
        async def check():
            async with serving(**PATIENT) as served:
                served.service.remove(served.listener)
                listener = ReluctantListener(served.listener)
                served.service.add(listener)
                with await served.connect() as client:
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                served.service.remove(listener)

        run_in_worker_loop(check())

    @pytest.mark.parametrize(
        ("code", "waits"),
        [(errno.ECONNABORTED, False), (errno.EPERM, False), (errno.EMFILE, True), (errno.EINVAL, True)],
    )
    def test_an_error_of_one_connection_delays_none_and_another_rests(self, code, waits):
        async def check():
            async with serving(**PATIENT) as served:
                served.service.remove(served.listener)
                listener = FailingListener(served.listener, [code])
                served.service.add(listener)
                start = time.monotonic()
                with await served.connect() as client:
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                assert (time.monotonic() - start > 0.9) is waits
                assert served.meter.counts["accept_errors", ""] == 1
                served.service.remove(listener)

        run_in_worker_loop(check())

    def test_a_listener_removed_while_it_rests_stays_removed(self):
        async def check():
            async with serving(**PATIENT) as served:
                served.service.remove(served.listener)
                listener = FailingListener(served.listener, [errno.EMFILE])
                served.service.add(listener)
                with await served.connect():
                    await until(lambda: listener.tries)
                    served.service.remove(listener)
                    await asyncio.sleep(1.2)
                    assert listener.tries == 1

        run_in_worker_loop(check())

    def test_a_resting_listener_that_is_added_again_accepts_at_once(self):
        async def check():
            failures = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
            async with serving(**PATIENT) as served:
                served.service.remove(served.listener)
                listener = FailingListener(served.listener, [errno.EMFILE])
                served.service.add(listener)
                with await served.connect() as client:
                    await until(lambda: listener.tries == 1)
                    served.service.remove(listener)
                    served.service.add(listener)
                    await until(lambda: len(served.service), 0.9)
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                    await asyncio.sleep(1.2)  # until the rest would have ended
                served.service.remove(listener)
            assert not failures

        run_in_worker_loop(check())

    def test_a_rest_is_not_cut_short_by_one_before_the_listener_was_removed(self):
        async def check():
            async with serving(**PATIENT) as served:
                served.service.remove(served.listener)
                listener = FailingListener(served.listener, [errno.EMFILE, errno.EMFILE])
                served.service.add(listener)
                with await served.connect() as client:
                    await until(lambda: listener.tries == 1)
                    served.service.remove(listener)
                    await asyncio.sleep(0.5)
                    served.service.add(listener)
                    await until(lambda: listener.tries == 2)
                    start = time.monotonic()
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                    assert time.monotonic() - start > 0.9
                served.service.remove(listener)

        run_in_worker_loop(check())

    def test_a_connection_that_cannot_be_watched_is_closed_and_leaves_no_trace(self):
        async def check():
            async with serving(**PATIENT) as served:
                served.service.remove(served.listener)
                listener = UnwatchableListener(served.listener)
                served.service.add(listener)
                with await served.connect() as unlucky, await served.connect() as client:
                    assert await read_message(unlucky) is None
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                    assert listener.accepted[0].fileno() == -1
                    assert len(served.service) == 1
                    assert served.meter.counts["accept_errors", ""] == 1
                    assert served.counted("tcp_accepted") == 1
                served.service.remove(listener)

        run_in_worker_loop(check())

    def test_connections_of_a_removed_listener_go_on(self):
        async def check():
            async with serving(**PATIENT) as served:
                with await served.connect() as client:
                    await until(lambda: len(served.service))
                    served.service.remove(served.listener)
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                    with await served.connect() as late:
                        await send(late, frame(QUERY))
                        await asyncio.sleep(0.1)
                        assert len(served.service) == 1
                served.service.add(served.listener)

        run_in_worker_loop(check())

    def test_without_descriptors_the_longest_idle_gives_way(self):
        """A whole process at its limit: each newcomer is answered although no descriptor is free."""

        def check():
            run_in_worker_loop(checks())

        async def checks():
            async with serving(connections=1000, per_client=1000, **PATIENT) as served:
                # The clients live in another process, or they would use up the same descriptors.
                reader, writer = os.pipe()
                child = os.fork()
                if child == 0:
                    os._exit(hold_and_ask(served.address, writer))
                os.close(writer)
                used = len(os.listdir("/proc/self/fd"))
                resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, used + 20))
                await until(lambda: select_readable(reader), 20)
                assert os.read(reader, 100) == b"answered"
                os.waitpid(child, 0)
                os.close(reader)
                assert served.closed("descriptors") > 50
                assert served.meter.counts["accept_errors", ""] > 50

        in_child(check)


def select_readable(descriptor):
    import select

    return select.select([descriptor], [], [], 0)[0]


def hold_and_ask(address, writer):
    hogs = [socket.create_connection(address, timeout=10) for _ in range(100)]
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(frame(QUERY))
        if client.recv(1000) == frame(response_to(QUERY)):
            os.write(writer, b"answered")
    return len(hogs) - 100
