"""TCP behind a proxy: the header of the PROXY protocol at the begin of a connection."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from doubles import QUERY, response_to, run_in_worker_loop, until
from tcp_clients import PATIENT, frame, query, read_message, send, serving

LOOPBACK = b"\x7f\0\0\1"
REAL = bytes((10, 7, 7, 7))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEADER = SIGNATURE + b"\x21\x11\0\x0c" + REAL + LOOPBACK + bytes(4)
LOCAL = SIGNATURE + b"\x20\0\0\0"
MALFORMED = SIGNATURE + b"\x21\x11\0\x01\0"


@asynccontextmanager
async def behind_proxy(*, is_listed=True, **limits):
    async with serving(**{**PATIENT, **limits}) as served:
        if is_listed:
            served.responder.proxies.add(LOOPBACK)
        with await served.connect() as client:
            yield served, client


def sources(served):
    return [source for _, source, _ in served.responder.seen]


@pytest.mark.parametrize(
    ("start", "source"), [(HEADER, REAL), (LOCAL, LOOPBACK), (b"", LOOPBACK)], ids=["header", "local", "none"]
)
def test_who_the_header_says_asks_all_of_the_connection(start, source):
    async def check():
        async with behind_proxy() as (served, client):
            await send(client, start + frame(query(0)) + frame(query(1)))
            for number in range(2):
                assert await read_message(client) == response_to(query(number))
            await send(client, frame(query(2)))
            assert await read_message(client) == response_to(query(2))
            assert sources(served) == [source] * 3

    run_in_worker_loop(check())


@pytest.mark.parametrize("size", [1, 5, 15, 27])
def test_a_header_may_come_in_pieces(size):
    async def check():
        async with behind_proxy() as (served, client):
            octets = HEADER + frame(QUERY)
            for start in range(0, len(octets), size):
                await send(client, octets[start : start + size])
                await asyncio.sleep(0.002)
            assert await read_message(client) == response_to(QUERY)
            assert sources(served) == [REAL]

    run_in_worker_loop(check())


def test_a_header_that_is_not_whole_in_time_closes():
    async def check():
        async with behind_proxy(message=1) as (served, client):
            await send(client, HEADER[:20])
            assert await read_message(client) is None
            await until(lambda: served.closed("message") == 1)

    run_in_worker_loop(check())


def test_a_malformed_header_closes_and_nothing_is_answered():
    async def check():
        async with behind_proxy() as (served, client):
            await send(client, MALFORMED + frame(QUERY))
            assert await read_message(client) is None
            await until(lambda: served.closed("malformed") == 1)
            assert served.responder.seen == []

    run_in_worker_loop(check())


def test_a_client_that_ends_within_the_header_is_closed():
    async def check():
        async with behind_proxy() as (served, client):
            await send(client, HEADER[:20])
            client.shutdown(1)
            assert await read_message(client) is None
            await until(lambda: served.closed("client") == 1)

    run_in_worker_loop(check())


def test_who_is_not_listed_is_not_believed():
    async def check():
        async with behind_proxy(is_listed=False, message=1) as (served, client):
            await send(client, HEADER + frame(QUERY))
            assert await read_message(client) is None  # it begins with the length of a message that never is whole
            assert served.responder.seen == []

    run_in_worker_loop(check())


def test_only_the_begin_of_a_connection_is_a_header():
    async def check():
        async with behind_proxy(message=1) as (served, client):
            await send(client, frame(QUERY))
            assert await read_message(client) == response_to(QUERY)
            await send(client, HEADER + frame(QUERY))
            assert await read_message(client) is None
            assert sources(served) == [LOOPBACK]

    run_in_worker_loop(check())
