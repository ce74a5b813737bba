"""UDP: who is answered, and that nothing a client or the network does stops the others' answers."""

import asyncio
import errno
import socket
import struct

import pytest
from datapaths import DATAPATHS, TURNS, serving
from doubles import QUERY, EchoResponder, in_namespace, receive, response_to, run_in_worker_loop, udp_client, until

from blackhole_guard.server.clients import pack_address
from blackhole_guard.server.plain_datapath import LARGEST
from blackhole_guard.server.roles import Transport


@pytest.fixture(params=DATAPATHS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


class TestAnswers:
    @pytest.mark.parametrize(
        ("entry", "family", "address"),
        [("127.0.0.1:0", socket.AF_INET, "127.0.0.1"), ("[::1]:0", socket.AF_INET6, "::1")],
    )
    def test_a_query_is_answered_and_its_source_handed_on(self, kind, entry, family, address):
        async def check():
            async with serving(kind, entry) as served:
                with udp_client(family=family) as client:
                    client.sendto(QUERY, (address, served.port))
                    assert await receive(client) == response_to(QUERY)
                source = socket.inet_pton(family, address)
                assert served.responder.seen == [(QUERY, source, Transport.UDP)]
                assert served.path.received == 1
                assert len(served.meter.observed) == 1
                assert 0 < served.meter.observed[0] < 1
                assert served.responder.refreshed == 1
                assert not served.meter.counts

        run_in_worker_loop(check())

    def test_what_the_responder_keeps_silent_about_gets_nothing(self, kind):
        async def check():
            async with serving(kind) as served:
                with udp_client() as client:
                    client.sendto(response_to(QUERY), ("127.0.0.1", served.port))
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(QUERY)
                    assert await receive(client, 0.05) is None
                assert len(served.responder.seen) == 2

        run_in_worker_loop(check())

    def test_what_the_responder_has_put_off_is_done_when_the_responses_have_left(self, kind):
        async def check():
            async with serving(kind) as served:
                with udp_client() as client:
                    there = []
                    served.responder.settled = lambda: there.append(client.recv(512, socket.MSG_DONTWAIT))
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                    await until(lambda: there)
                    assert there == [response_to(QUERY)]

        run_in_worker_loop(check())

    def test_many_clients_of_several_sockets(self, kind):
        async def check():
            async with serving(kind, "127.0.0.1:0", "[::1]:0", "127.0.0.2:0") as served:
                clients = []
                for sock in served.socks * 50:
                    client = udp_client(family=sock.family)
                    client.sendto(QUERY, sock.getsockname())
                    clients.append(client)
                for client in clients:
                    assert await receive(client) == response_to(QUERY)
                    client.close()
                assert served.path.received == 150

        run_in_worker_loop(check())

    def test_a_turn_is_bounded_so_that_the_loop_lives_under_a_flood(self, kind):
        async def check():
            async with serving(kind) as served:
                with udp_client() as client:
                    for _ in range(3 * TURNS[kind]):
                        client.sendto(QUERY, ("127.0.0.1", served.port))
                    turns = []
                    while served.path.received < 3 * TURNS[kind]:
                        turns.append(served.path.received)
                        await asyncio.sleep(0)
                    assert len(turns) >= 3
                    assert served.responder.refreshed >= 3
                    assert len(served.meter.observed) == served.responder.refreshed  # one sample a turn

        run_in_worker_loop(check())

    def test_an_exception_of_the_responder_costs_one_datagram(self, kind):
        async def check():
            async with serving(kind) as served:
                errors = []
                asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
                with udp_client() as client:
                    for octets in (QUERY, QUERY + b"BOOM", QUERY):
                        client.sendto(octets, ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(QUERY)
                    assert await receive(client) == response_to(QUERY)
                assert [type(each["exception"]) for each in errors] == [RuntimeError]

        run_in_worker_loop(check())


class TestDrops:
    @pytest.mark.parametrize("size", [LARGEST - 1, LARGEST, LARGEST + 1, 60_000])
    def test_what_is_longer_than_any_query_is_cut_and_dropped(self, kind, size):
        async def check():
            async with serving(kind) as served:
                with udp_client() as client:
                    client.sendto(QUERY.ljust(size, b"x"), ("127.0.0.1", served.port))
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                    first = await receive(client)
                    assert len(first) == (size if size <= LARGEST else len(QUERY))
                assert served.dropped("truncated") == (size > LARGEST)

        run_in_worker_loop(check())

    def test_an_empty_datagram_is_no_end_of_anything(self, kind):
        class Silent(EchoResponder):
            def respond(self, octets, source, transport):
                return super().respond(octets, source, transport) if octets else None

        async def check():
            async with serving(kind, responder=Silent()) as served:
                with udp_client() as client:
                    client.sendto(b"", ("127.0.0.1", served.port))
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(QUERY)

        run_in_worker_loop(check())

    def test_our_own_sockets_are_not_answered(self, kind):
        async def check():
            with udp_client("127.0.0.1") as ours:
                own = frozenset({(pack_address("127.0.0.1"), ours.getsockname()[1])})
                async with serving(kind, own=own) as served:
                    ours.sendto(QUERY, ("127.0.0.1", served.port))
                    await until(lambda: served.dropped("own_address"))
                    assert not served.responder.seen

        run_in_worker_loop(check())

    def test_a_socket_does_not_answer_itself_on_a_wildcard(self, kind):
        async def check():
            async with serving(kind, "0.0.0.0:0", "[::]:0") as served:
                for sock, address in zip(served.socks, ("127.0.0.1", "::1"), strict=True):
                    sock.sendto(QUERY, (address, sock.getsockname()[1]))
                await until(lambda: served.dropped("own_address") == 2)
                assert not served.responder.seen

        run_in_worker_loop(check())

    @pytest.mark.root
    @pytest.mark.parametrize(
        ("source", "port", "reason"),
        [
            ("127.0.0.9", 0, "source_port"),
            ("127.0.0.9", 19, "source_port"),
            ("127.0.0.9", 1024, None),
            ("224.0.0.1", 1024, "source_address"),
        ],
    )
    def test_forged_sources_are_dropped_off_the_wire(self, kind, source, port, reason):
        def check():
            drop_forged(kind, source, port, reason)

        # The kernel itself drops what it takes for a martian; what gets past it is ours.
        in_namespace(check)


def drop_forged(kind, source, port, reason):
    async def check():
        async with serving(kind, "127.0.0.1:0") as served:
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                udp = struct.pack("!HHHH", port, served.port, 8 + len(QUERY), 0) + QUERY
                ip = struct.pack(
                    "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0,
                    socket.inet_aton(source), socket.inet_aton("127.0.0.1"),
                )  # fmt: skip
                try:
                    raw.sendto(ip + udp, ("127.0.0.1", 0))
                except OSError as error:
                    assert error.errno == errno.EINVAL
            if source.startswith("224"):
                await asyncio.sleep(0.1)
                assert not served.responder.seen
            else:
                await until(lambda: served.path.received)
                assert served.dropped(reason or "") == (reason is not None)
                assert len(served.responder.seen) == (reason is None)

    run_in_worker_loop(check())


class TestErrors:
    def test_a_response_that_cannot_be_sent_is_counted_and_the_rest_goes_out(self, kind, monkeypatch):
        codes = [
            (errno.EAGAIN, "full"), (errno.ENOBUFS, "full"), (errno.ENOMEM, "full"), (errno.ECONNREFUSED, "refused"),
            (errno.EPERM, "refused"), (errno.EACCES, "refused"), (errno.ENETUNREACH, "unreachable"),
            (errno.EHOSTUNREACH, "unreachable"), (errno.EINVAL, "other"), (errno.EMSGSIZE, "other"),
        ]  # fmt: skip

        async def check():
            async with serving(kind) as served:
                failing = served.fail(send=[code for code, _ in codes])
                with udp_client() as client:
                    for _ in range(len(codes) + 1):
                        client.sendto(QUERY, ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(QUERY)
                expected = {}
                for _, reason in codes:
                    expected["responses_unsent", reason] = expected.get(("responses_unsent", reason), 0) + 1
                assert dict(served.meter.counts) == expected
                assert len(served.meter.observed) == 1  # the first that went out
                served.path.remove(failing)
                served.path.add(served.socks[0])

        run_in_worker_loop(check())

    @pytest.mark.root
    def test_silent_neighbours_and_filters_take_no_answer_from_others(self, kind):
        in_namespace(
            answer_beside_silent_neighbours,
            kind,
            commands=(
                "link add v0 type veth peer name v1",
                "addr add 10.9.0.1/16 dev v0",
                "link set v0 up",
                "link set v1 up",
            ),
        )


def answer_beside_silent_neighbours(kind):
    """Answers to addresses that answer no ARP fill a send buffer of the usual size for good; ours is larger."""

    async def check():
        async with serving(kind, "0.0.0.0:0") as served:
            sock = served.socks[0]
            for host in range(2, 2002):
                sock.sendmsg([bytes(400)], [], socket.MSG_DONTWAIT, (f"10.9.{host >> 8}.{host & 255}", 9999))
            with udp_client() as client:
                for _ in range(200):
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(QUERY)
            assert not served.meter.counts["responses_unsent", "full"]

    run_in_worker_loop(check())
