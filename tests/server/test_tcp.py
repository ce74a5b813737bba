"""TCP: pipelining, order, half-closed clients, the time limits of RFC 7766 section 6, and the end."""

import asyncio
import socket
import time

import pytest
from doubles import QUERY, EchoResponder, response_to, run_in_worker_loop, until
from tcp_clients import (
    PATIENT,
    assert_closed_between,
    frame,
    query,
    read_message,
    seconds_until_closed,
    send,
    serving,
)

from blackhole_guard.server.roles import Transport


class TestMessages:
    @pytest.mark.parametrize(("entry", "source"), [("127.0.0.1:0", b"\x7f\0\0\1"), ("[::1]:0", bytes(15) + b"\1")])
    def test_a_query_is_answered_and_the_connection_stays(self, entry, source):
        async def check():
            async with serving(entry) as served:
                with await served.connect() as client:
                    for number in range(3):
                        await send(client, frame(query(number)))
                        assert await read_message(client) == response_to(query(number))
                    assert served.responder.seen[0] == (query(0), source, Transport.TCP)
                    served.service.fold()
                    assert served.meter.gauges["tcp_connections"] == 1
                    assert served.service.received == 3
                    assert len(served.meter.observed) == 3
                await until(lambda: served.closed("client") == 1)

        run_in_worker_loop(check())

    def test_500_pipelined_queries_are_answered_in_order(self):
        async def check():
            async with serving() as served:
                with await served.connect() as client:
                    await send(client, b"".join(frame(query(number)) for number in range(500)))
                    for number in range(500):
                        assert await read_message(client) == response_to(query(number))
                assert served.service.received == 500

        run_in_worker_loop(check())

    def test_no_turn_answers_more_than_may_be_in_flight(self):
        async def check():
            async with serving(pipelined=7) as served:
                with await served.connect() as client:
                    await send(client, b"".join(frame(query(number)) for number in range(70)))
                    sizes, last = [], 0
                    while last < 70:
                        await asyncio.sleep(0)
                        if len(served.responder.seen) != last:
                            sizes.append(len(served.responder.seen) - last)
                            last = len(served.responder.seen)
                    assert max(sizes) == 7
                    for number in range(70):
                        assert await read_message(client) == response_to(query(number))

        run_in_worker_loop(check())

    def test_a_query_may_come_an_octet_at_a_time(self):
        async def check():
            async with serving() as served:
                with await served.connect() as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for octet in frame(query(1)) + frame(query(2)):
                        await send(client, bytes((octet,)))
                        await asyncio.sleep(0.001)
                    assert await read_message(client) == response_to(query(1))
                    assert await read_message(client) == response_to(query(2))

        run_in_worker_loop(check())

    def test_the_largest_message_is_taken_and_a_large_response_arrives_whole(self):
        async def check():
            async with serving() as served:
                with await served.connect() as client:
                    largest = query(1).ljust(65535, b"x")
                    await send(client, frame(largest))
                    assert await read_message(client) == response_to(largest)
                    await send(client, frame(query(2, b"LARGE")))
                    assert len(await read_message(client)) == 60_000

        run_in_worker_loop(check())

    def test_a_half_closed_client_gets_all_its_answers(self):
        async def check():
            async with serving() as served:
                with await served.connect(receive_buffer=4096) as client:
                    sent = [query(number, b"LARGE") for number in range(40)]
                    await send(client, b"".join(map(frame, sent)))
                    client.shutdown(socket.SHUT_WR)
                    for each in sent:
                        assert (await read_message(client))[:2] == each[:2]
                    assert await read_message(client) is None
                await until(lambda: served.closed("client") == 1)

        run_in_worker_loop(check())

    def test_half_a_message_before_the_half_close_gets_nothing(self):
        async def check():
            async with serving() as served:
                with await served.connect() as client:
                    await send(client, frame(query(1)) + frame(query(2))[:-1])
                    client.shutdown(socket.SHUT_WR)
                    assert await read_message(client) == response_to(query(1))
                    assert await read_message(client) is None

        run_in_worker_loop(check())

    def test_what_the_responder_keeps_silent_about_gets_nothing_and_the_next_its_answer(self):
        async def check():
            async with serving() as served:
                with await served.connect() as client:
                    await send(client, frame(response_to(query(1))) + frame(query(2)))
                    assert await read_message(client) == response_to(query(2))
                    await send(client, frame(response_to(query(3))))
                    await send(client, frame(query(4)))
                    assert await read_message(client) == response_to(query(4))

        run_in_worker_loop(check())

    @pytest.mark.parametrize("length", [0, 1, 11])
    def test_a_length_below_a_header_closes_after_what_came_before_is_answered(self, length):
        async def check():
            async with serving() as served:
                with await served.connect() as client:
                    await send(client, frame(query(1)) + frame(bytes(length)) + frame(query(2)))
                    assert await read_message(client) == response_to(query(1))
                    await seconds_until_closed(client)
                with await served.connect() as client:
                    await send(client, length.to_bytes(2, "big"))  # at once: there is no need to wait for more
                    assert await seconds_until_closed(client) < 1
                assert served.closed("malformed") == 2
                assert len(served.responder.seen) == 1

        run_in_worker_loop(check())

    def test_an_exception_of_the_responder_ends_its_connection_alone(self):
        async def check():
            async with serving() as served:
                errors = []
                asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
                with await served.connect() as bad, await served.connect() as good:
                    await send(bad, frame(query(1, b"BOOM")))
                    await seconds_until_closed(bad)
                    await send(good, frame(query(2)))
                    assert await read_message(good) == response_to(query(2))
                assert served.closed("failed") == 1
                assert [type(each["exception"]) for each in errors] == [RuntimeError]

        run_in_worker_loop(check())


class TestTime:
    """Each limit closes when it is over, not before, and says which it was."""

    @pytest.mark.parametrize(
        ("limit", "first"),
        [
            ("first_query", b""),
            ("message", b"\0"),
            ("message", frame(QUERY)[:-1]),
            ("message", frame(QUERY) + b"\0"),
            ("idle", frame(QUERY)),
            ("lifetime", b""),
            ("lifetime", frame(QUERY)),
        ],
    )
    def test_a_silent_client_is_closed(self, limit, first):
        async def check():
            async with serving(**{**PATIENT, limit: 0.6}) as served:
                start = time.monotonic()
                with await served.connect() as client:
                    await send(client, first)
                    await until(lambda: len(served.service))
                    await assert_closed_between(served, client, start, 0.55, 1.3)
                assert served.closed(limit) == 1

        run_in_worker_loop(check())

    def test_a_message_that_drips_is_cut_off_and_one_in_time_is_not(self):
        async def check():
            async with serving(**{**PATIENT, "message": 0.6}) as served:
                start = time.monotonic()
                with await served.connect() as dripping, await served.connect() as brisk:
                    for octet in frame(QUERY):
                        await send(brisk, frame(QUERY))
                        assert await read_message(brisk) == response_to(QUERY)
                        try:
                            await send(dripping, bytes((octet,)))
                        except ConnectionError:
                            break
                        await asyncio.sleep(0.1)
                    assert time.monotonic() - start > 0.55
                    assert served.closed("message") == 1
                    assert len(served.service) == 1

        run_in_worker_loop(check())

    def test_the_first_query_has_a_limit_of_its_own_even_when_it_has_begun(self):
        async def check():
            async with serving(**{**PATIENT, "first_query": 0.5}) as served:
                with await served.connect() as client:
                    await send(client, b"\0")
                    await seconds_until_closed(client)
                assert served.closed("first_query") == 1

        run_in_worker_loop(check())

    def test_queries_keep_a_connection_open_until_its_lifetime_is_over(self):
        async def check():
            async with serving(**{**PATIENT, "idle": 1.0, "lifetime": 1.5}) as served:
                start = time.monotonic()
                with await served.connect() as client:
                    try:
                        while True:
                            await send(client, frame(QUERY))
                            if await read_message(client) is None:
                                break
                            await asyncio.sleep(0.2)
                    except ConnectionError:
                        pass
                    assert time.monotonic() - start > 1.45
                assert served.closed("lifetime") == 1

        run_in_worker_loop(check())

    def test_a_client_that_never_reads_is_reset_and_costs_little(self):
        async def check():
            async with serving(**{**PATIENT, "write_stall": 0.6}) as served:
                start = time.monotonic()
                with await served.connect(receive_buffer=4096) as client:
                    try:
                        while time.monotonic() - start < 30:
                            await asyncio.wait_for(send(client, frame(query(1, b"LARGE"))), 5)
                    except ConnectionError:
                        pass
                    assert time.monotonic() - start > 0.55
                    # What it asked for beyond a full send buffer was not even read.
                    assert served.service.received < 10
                assert served.closed("write_stall") == 1

        run_in_worker_loop(check())

    def test_a_slow_reader_is_no_stalled_one(self):
        async def check():
            async with serving(**{**PATIENT, "write_stall": 0.6, "idle": 0.6}) as served:
                with await served.connect(receive_buffer=4096) as client:
                    count = 100
                    await send(client, b"".join(frame(query(number, b"LARGE")) for number in range(count)))
                    received, start = 0, time.monotonic()
                    while received < count * 60_002:
                        part = await asyncio.get_running_loop().sock_recv(client, 200_000)
                        assert part
                        received += len(part)
                        if time.monotonic() - start < 1.5:
                            await asyncio.sleep(0.02)
                    assert time.monotonic() - start > 0.6
                assert not served.closed("write_stall")

        run_in_worker_loop(check())

    def test_new_limits_hold_for_connections_that_are_open(self):
        async def check():
            async with serving(**PATIENT) as served:
                with await served.connect() as client:
                    await send(client, frame(QUERY))
                    assert await read_message(client) == response_to(QUERY)
                    served.responder.tcp_limits = EchoResponder(idle=0.2).tcp_limits
                    assert await seconds_until_closed(client) < 1
                assert served.closed("idle") == 1

        run_in_worker_loop(check())


class TestFinish:
    def test_what_has_come_is_answered_and_sent_before_the_end(self):
        async def check():
            async with serving(**PATIENT) as served:
                clients = [await served.connect() for _ in range(4)]
                await until(lambda: len(served.service) == 4)
                clients[0].send(frame(query(0)) * 300)
                clients[1].send(frame(query(1)) + b"\0")
                clients[2].send(frame(query(2, b"LARGE")) * 30)
                finish = asyncio.create_task(served.service.finish(3.0))
                for _ in range(300):
                    assert await read_message(clients[0]) == response_to(query(0))
                assert await read_message(clients[1]) == response_to(query(1))
                for _ in range(30):
                    assert len(await read_message(clients[2])) == 60_000
                for client in clients:
                    assert await seconds_until_closed(client) < 1
                    client.close()
                await finish
                assert served.closed("stop") == 4

        run_in_worker_loop(check())

    def test_a_client_that_does_not_read_delays_the_end_no_longer_than_said(self):
        async def check():
            async with serving(**PATIENT) as served:
                client = await served.connect(receive_buffer=4096)
                await send(client, frame(query(1, b"LARGE")) * 100)
                await until(lambda: served.service.received >= 2)
                await asyncio.sleep(0.05)
                start = time.monotonic()
                await served.service.finish(0.5)
                assert 0.4 < time.monotonic() - start < 1
                assert served.closed("stop") == 1
                client.close()

        run_in_worker_loop(check())
