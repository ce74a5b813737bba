"""The worker's event loop: what it serves directly, and that all else goes on as in any loop."""

import asyncio
import os
import select
import socket
import threading

import pytest
from doubles import run_in_worker_loop


@pytest.fixture
def pairs():
    """Datagram sockets, each with one that sends to it."""
    made = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3)]
    for sock in (sock for pair in made for sock in pair):
        sock.setblocking(False)
    yield made
    for sock in (sock for pair in made for sock in pair):
        sock.close()


def read_into(received, sock):
    received.append(sock.recv(16))


def test_serves_what_can_be_read_with_its_arguments(pairs):
    async def check():
        loop, received = asyncio.get_running_loop(), []
        for reader, _ in pairs:
            loop.serve(reader, read_into, received, reader)
        for number, (_, writer) in enumerate(pairs):
            writer.send(b"%d" % number)
        await asyncio.sleep(0.05)
        assert sorted(received) == [b"0", b"1", b"2"]

    run_in_worker_loop(check())


def test_serves_an_epoll_instance(pairs):
    async def check():
        loop, found = asyncio.get_running_loop(), []
        (reader, writer), *_ = pairs
        with select.epoll() as epoll:
            epoll.register(reader, select.EPOLLIN)
            loop.serve(epoll, lambda: found.append((epoll.poll(0), reader.recv(16))))
            writer.send(b"a")
            await asyncio.sleep(0.05)
            loop.leave(epoll)
        assert found == [([(reader.fileno(), select.EPOLLIN)], b"a")]

    run_in_worker_loop(check())


def test_serves_many_times_in_one_wait_of_the_loop(pairs, monkeypatch):
    """The point of it: without a turn of the loop for each."""
    turns = []
    plain = asyncio.SelectorEventLoop._run_once
    monkeypatch.setattr(asyncio.SelectorEventLoop, "_run_once", lambda loop: (turns.append(1), plain(loop))[1])

    async def check():
        loop, received = asyncio.get_running_loop(), []
        (reader, writer), *_ = pairs

        def echo():
            received.append(reader.recv(16))
            if len(received) < 50:
                writer.send(b"again")

        loop.serve(reader, echo)
        writer.send(b"first")
        turns.clear()
        await asyncio.sleep(0.2)
        assert len(received) == 50
        assert len(turns) < 10

    run_in_worker_loop(check())


def test_timers_come_in_time_though_there_is_always_something_to_serve(pairs):
    async def check():
        loop = asyncio.get_running_loop()
        (reader, writer), *_ = pairs
        writer.send(b"never read")
        served = []
        loop.serve(reader, served.append, 1)
        await asyncio.wait_for(asyncio.sleep(0.05), 5)
        assert len(served) > 10

    run_in_worker_loop(check())


def test_other_readers_have_their_turn_though_there_is_always_something_to_serve(pairs):
    async def check():
        loop = asyncio.get_running_loop()
        (flooded, flood), (reader, writer), _ = pairs
        flood.send(b"never read")
        loop.serve(flooded, lambda: None)
        writer.send(b"a")
        assert await asyncio.wait_for(loop.sock_recv(reader, 16), 5) == b"a"

    run_in_worker_loop(check())


@pytest.mark.parametrize("way", ["soon", "later", "from a thread"])
def test_what_a_callback_asks_the_loop_for_is_done_though_nothing_else_happens(pairs, way):
    async def check():
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        (reader, writer), *_ = pairs

        def serve():
            reader.recv(16)
            if way == "soon":
                loop.call_soon(done.set)
            elif way == "later":
                loop.call_later(0.02, done.set)
            else:
                thread = threading.Thread(target=loop.call_soon_threadsafe, args=(done.set,))
                thread.start()
                thread.join()

        loop.serve(reader, serve)
        loop.call_later(60, lambda: None)  # the wait that is begun is for this one
        writer.send(b"a")
        async with asyncio.timeout(5):
            await done.wait()

    run_in_worker_loop(check())


def test_an_exception_is_told_of_and_the_others_are_served(pairs):
    async def check():
        loop, received, errors = asyncio.get_running_loop(), [], []
        loop.set_exception_handler(lambda loop, context: errors.append(context["exception"]))

        def fail():
            pairs[0][0].recv(16)
            raise ValueError("bad")

        loop.serve(pairs[0][0], fail)
        loop.serve(pairs[1][0], read_into, received, pairs[1][0])
        for _, writer in pairs:
            writer.send(b"a")
        await asyncio.sleep(0.05)
        pairs[0][1].send(b"b")
        await asyncio.sleep(0.05)
        assert received == [b"a"]
        assert [str(error) for error in errors] == ["bad", "bad"]

    run_in_worker_loop(check())


def test_what_was_left_is_served_no_more_not_even_in_the_same_turn(pairs):
    async def check():
        loop, served = asyncio.get_running_loop(), []

        def serve(number):
            served.append(number)
            for reader, _ in pairs:
                loop.leave(reader)

        for number, (reader, writer) in enumerate(pairs):
            loop.serve(reader, serve, number)
            writer.send(b"a")
        await asyncio.sleep(0.05)
        assert len(served) == 1
        loop.leave(pairs[0][0])  # once more does no harm
        loop.serve(pairs[2][0], read_into, served, pairs[2][0])
        await asyncio.sleep(0.05)
        assert served[1:] == [b"a"]

    run_in_worker_loop(check())


def test_nothing_stays_open(pairs):
    before = count_descriptors()

    async def check():
        asyncio.get_running_loop().serve(pairs[0][0], lambda: None)
        assert count_descriptors() > before

    run_in_worker_loop(check())
    assert count_descriptors() == before


def count_descriptors():
    return len(os.listdir("/proc/self/fd"))
