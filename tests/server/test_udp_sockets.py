"""UDP: whose turn it is, in both datapaths: sockets that come, go, fail and rest, and are drained at the end."""

import errno
import time

import pytest
from datapaths import DATAPATHS, TURNS, serving
from doubles import QUERY, EchoResponder, receive, response_to, run_in_worker_loop, udp_client, until


@pytest.fixture(params=DATAPATHS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_a_removed_socket_is_left_alone_and_can_come_back(kind):
    async def check():
        async with serving(kind) as served:
            served.path.remove(served.socks[0])
            with udp_client() as client:
                client.sendto(QUERY, ("127.0.0.1", served.port))
                assert await receive(client, 0.05) is None
                served.path.add(served.socks[0])
                assert await receive(client) == response_to(QUERY)

    run_in_worker_loop(check())


def test_drain_answers_what_waits_without_the_loop(kind):
    async def check():
        async with serving(kind, "127.0.0.1:0", "127.0.0.2:0") as served:
            with udp_client() as client:
                for sock in served.socks:
                    for _ in range(2 * TURNS[kind]):
                        client.sendto(QUERY, sock.getsockname())
                served.path.drain(5.0)
                assert served.path.received == 4 * TURNS[kind]

    run_in_worker_loop(check())


def test_drain_ends_in_time(kind):
    class Slow(EchoResponder):
        def respond(self, octets, source, transport):
            time.sleep(0.001)
            return super().respond(octets, source, transport)

    async def check():
        async with serving(kind, responder=Slow()) as served:
            with udp_client() as client:
                for _ in range(5 * TURNS[kind]):
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                start = time.monotonic()
                served.path.drain(0.1)
                assert time.monotonic() - start < 0.6
                assert TURNS[kind] <= served.path.received < 5 * TURNS[kind]

    run_in_worker_loop(check())


def test_a_socket_that_fails_rests_and_is_read_again(kind):
    async def check():
        async with serving(kind) as served:
            failing = served.fail(receive=[errno.ENETDOWN] * 2)
            with udp_client() as client:
                client.sendto(QUERY, ("127.0.0.1", served.port))
                start = time.monotonic()
                assert await receive(client) == response_to(QUERY)
                assert time.monotonic() - start > 0.15
            assert served.meter.counts["receive_errors", ""] == 2
            served.path.remove(failing)
            served.path.add(served.socks[0])

    run_in_worker_loop(check())


def test_a_socket_removed_while_it_rests_stays_removed(kind):
    async def check():
        async with serving(kind) as served:
            failing = served.fail(receive=[errno.ENETDOWN])
            with udp_client() as client:
                client.sendto(QUERY, ("127.0.0.1", served.port))
                await until(lambda: served.meter.counts["receive_errors", ""])
                served.path.remove(failing)
                assert await receive(client, 0.3) is None
            served.path.add(served.socks[0])

    run_in_worker_loop(check())
