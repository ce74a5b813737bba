"""What batches alone must mind: that the datagrams of one do not share more than the system calls."""

import asyncio
import socket
import subprocess
import sys

import pytest
from datapaths import serving
from doubles import QUERY, EchoResponder, in_namespace, receive, response_to, run_in_worker_loop, udp_client

from blackhole_guard.server import batch_datapath
from blackhole_guard.server.batch_datapath import BatchDatapath
from blackhole_guard.server.mmsg import SLOTS

BOOM = QUERY[:2] + b"BOOM" + QUERY[6:]


def numbered(number):
    return number.to_bytes(2) + QUERY[2:]


class FailingInBatches(EchoResponder):
    """Fails at one message of a batch without a word to its place."""

    def respond_batch(self, batch):
        for number in range(len(batch.sizes)):
            if b"BOOM" in batch.message(number):
                raise RuntimeError("boom")
            batch.put(response_to(batch.message(number)))


@pytest.mark.parametrize("places", [(0,), (3,), (9,), (2, 3, 7), (0, 9), tuple(range(10))])
def test_a_message_at_which_the_responder_fails_costs_itself_alone(places):
    async def check():
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        async with serving(BatchDatapath, responder=FailingInBatches()) as served:
            with udp_client() as client:
                for number in range(10):
                    octets = BOOM if number in places else numbered(number)
                    client.sendto(octets, ("127.0.0.1", served.port))
                for number in range(10):
                    if number not in places:
                        assert await receive(client) == response_to(numbered(number))
                assert await receive(client, 0.05) is None
            assert [str(failure) for failure in failures] == ["boom"] * len(places)

    run_in_worker_loop(check())


class FailingAtTheEnd(EchoResponder):
    """Fails once all messages of a batch have their places."""

    def respond_batch(self, batch):
        for number in range(len(batch.sizes)):
            batch.put(response_to(batch.message(number)))
        raise RuntimeError("boom")


@pytest.mark.parametrize("count", [5, SLOTS])
def test_a_responder_that_fails_behind_the_last_message_costs_none(count):
    async def check():
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        async with serving(BatchDatapath, responder=FailingAtTheEnd()) as served:
            with udp_client() as client:
                for number in range(count):
                    client.sendto(numbered(number), ("127.0.0.1", served.port))
                for number in range(count):
                    assert await receive(client) == response_to(numbered(number))
            assert {str(failure) for failure in failures} == {"boom"}

    run_in_worker_loop(check())


def test_dropped_datagrams_stay_so_when_the_responder_fails():
    async def check():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        with udp_client("127.0.0.1") as other:
            own = frozenset({(socket.inet_aton("127.0.0.1"), other.getsockname()[1])})
            async with serving(BatchDatapath, own=own, responder=FailingInBatches()) as served:
                with udp_client() as client:
                    client.sendto(BOOM, ("127.0.0.1", served.port))
                    other.sendto(numbered(1), ("127.0.0.1", served.port))
                    client.sendto(numbered(2), ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(numbered(2))
                    assert await receive(other, 0.05) is None
                assert served.dropped("own_address") == 1

    run_in_worker_loop(check())


@pytest.mark.root
def test_martians_beside_clients_take_nothing_from_them():
    def check():
        run_in_worker_loop(serve())

    async def serve():
        async with serving(BatchDatapath, "0.0.0.0:0") as served:
            with udp_client("127.0.0.1") as client, udp_client("127.0.0.1", 7) as echo:
                for number in range(12):
                    (echo if number % 3 else client).sendto(numbered(number), ("127.0.0.1", served.port))
                for number in range(0, 12, 3):
                    assert await receive(client) == response_to(numbered(number))
                assert await receive(echo, 0.05) is None
            assert served.dropped("source_port") == 8
            assert len(served.responder.seen) == 4

    in_namespace(check)


def test_a_source_that_is_known_gets_no_second_look(monkeypatch):
    looked_at = []
    look = BatchDatapath._find_drop_reason

    def note(path, reader, slot, source, way):
        looked_at.append(source)
        return look(path, reader, slot, source, way)

    monkeypatch.setattr(BatchDatapath, "_find_drop_reason", note)

    async def check():
        async with serving(BatchDatapath) as served:
            for octet in (1, 2):
                with udp_client(f"127.0.0.{octet}") as client:
                    for _ in range(5):
                        client.sendto(QUERY, ("127.0.0.1", served.port))
                        assert await receive(client) == response_to(QUERY)
        assert set(looked_at) == {bytes((127, 0, 0, octet)) for octet in (1, 2)}
        assert looked_at.count(bytes((127, 0, 0, 2))) == 1

    run_in_worker_loop(check())


def test_sources_that_are_known_are_bounded(monkeypatch):
    monkeypatch.setattr(batch_datapath, "_KNOWN", 3)

    async def check():
        async with serving(BatchDatapath, "127.0.0.1:0") as served:
            for _ in range(2):
                for octet in range(1, 12):
                    with udp_client(f"127.0.0.{octet}") as client:
                        client.sendto(QUERY, ("127.0.0.1", served.port))
                        assert await receive(client) == response_to(QUERY)
                    assert len(served.path._known) <= 4

    run_in_worker_loop(check())


@pytest.mark.parametrize(("available", "chosen"), [(True, "BatchDatapath"), (False, "PlainDatapath")])
def test_without_the_calls_the_plain_datapath_stands_in(available, chosen):
    program = (
        "from blackhole_guard.server import mmsg",
        f"mmsg.is_available = lambda: {available}",
        "from dataclasses import fields",
        "from blackhole_guard.server.worker import WorkerContext",
        "print(*(each.default.__name__ for each in fields(WorkerContext) if each.name == 'make_datapath'))",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(program)], check=True, capture_output=True, text=True)
    assert done.stdout == chosen + "\n"
