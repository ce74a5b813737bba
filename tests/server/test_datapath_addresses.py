"""UDP: responses leave from the address that was asked, and what waited too long gets none."""

import asyncio
import socket
import struct

import pytest
from datapaths import DATAPATHS, serving
from doubles import (
    QUERY,
    EchoResponder,
    RecordingMeter,
    in_namespace,
    receive,
    response_to,
    run_in_worker_loop,
    udp_client,
    until,
)

from blackhole_guard.server import system, way_back
from blackhole_guard.server.sockets import set_udp_options


@pytest.fixture(params=DATAPATHS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


class TestAddressAsked:
    """On a wildcard the response leaves from the address that was asked, or the client drops it."""

    COMMANDS = (
        "addr add 10.0.0.53/32 dev lo",
        "addr add 10.0.0.54/32 dev lo",
        "addr add fd00::53/128 dev lo nodad",
        "addr add fd00::54/128 dev lo nodad",
        "link add v0 type veth peer name v1",
        "link set v0 addrgenmode none",
        "link set v1 addrgenmode none",
        "link set v0 up",
        "link set v1 up",
        "addr add fe80::53/64 dev v0 nodad",
        "addr add fe80::54/64 dev v0 nodad",
    )

    @pytest.mark.root
    @pytest.mark.parametrize(
        ("entry", "asked", "source"),
        [
            ("0.0.0.0:0", "10.0.0.54", "10.0.0.53"),
            ("0.0.0.0:0", "10.0.0.53", "127.0.0.1"),
            ("0.0.0.0:0", "127.5.6.7", "127.0.0.1"),
            ("[::]:0", "fd00::54", "fd00::53"),
            ("[::]:0", "fd00::53", "::1"),
            ("[::]:0", "fe80::54%v0", "fe80::53%v0"),
            ("[::]:0", "fe80::53%v0", "fe80::54%v0"),
            ("10.0.0.54:0", "10.0.0.54", "10.0.0.53"),
            ("[fe80::54%v0]:0", "fe80::54%v0", "fe80::53%v0"),
        ],
    )
    def test_the_response_leaves_from_there(self, kind, entry, asked, source):
        in_namespace(ask_and_compare, kind, entry, asked, source, commands=self.COMMANDS)

    @pytest.mark.root
    def test_a_socket_for_both_families_answers_ipv4_from_there_too(self, kind):
        in_namespace(ask_dual_stack, kind, commands=self.COMMANDS)

    @pytest.mark.root
    def test_a_query_to_a_multicast_address_is_answered_from_one_of_ours(self, kind):
        in_namespace(ask_multicast, kind, commands=self.COMMANDS)


def ask_and_compare(kind, entry, asked, source):
    async def check():
        async with serving(kind, entry) as served:
            family = socket.AF_INET6 if ":" in asked else socket.AF_INET
            to = socket.getaddrinfo(asked, served.port, family, socket.SOCK_DGRAM)[0][4]
            with udp_client(family=family) as client:
                client.bind(socket.getaddrinfo(source, 0, family, socket.SOCK_DGRAM)[0][4])
                await until(lambda: client.sendto(QUERY, to) and served.path.received)  # the link may just come up
                octets, sender = client.recvfrom(4096)
                assert octets == response_to(QUERY)
                assert sender == to

    run_in_worker_loop(check())


def ask_dual_stack(kind):
    async def check():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock, udp_client() as client:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            set_udp_options(sock, wildcard=True)
            sock.bind(("::", 0))
            responder, meter = EchoResponder(), RecordingMeter()
            path = kind(asyncio.get_running_loop(), responder, meter, frozenset())
            path.add(sock)
            to = ("10.0.0.54", sock.getsockname()[1])
            client.bind(("10.0.0.53", 0))
            client.sendto(QUERY, to)
            await until(lambda: path.received)
            assert client.recvfrom(4096) == (response_to(QUERY), to)
            assert responder.seen[0][1] == socket.inet_aton("10.0.0.53")
            with udp_client("10.0.0.54", to[1] + 1) as other:  # own address and another port: a client like any
                other.sendto(QUERY, to)
                assert await receive(other) == response_to(QUERY)
            sock.sendto(QUERY, ("::ffff:10.0.0.54", to[1]))
            await until(lambda: path.received == 3)
            assert meter.counts == {("datagrams_dropped", "own_address"): 1}
            path.remove(sock)

    run_in_worker_loop(check())


def ask_multicast(kind):
    async def check():
        async with serving(kind, "[::]:0") as served:
            index = socket.if_nametoindex("v0")
            served.socks[0].setsockopt(
                socket.IPPROTO_IPV6,
                socket.IPV6_JOIN_GROUP,
                socket.inet_pton(socket.AF_INET6, "ff02::1234") + struct.pack("@I", index),
            )
            with udp_client(family=socket.AF_INET6) as client:
                client.bind(("fe80::54", 0, 0, index))
                to = ("ff02::1234", served.port, 0, index)
                await until(lambda: client.sendto(QUERY, to) and served.path.received)  # the link may just come up
                assert await receive(client) == response_to(QUERY)

    run_in_worker_loop(check())


class TestStale:
    """What waited behind a dead worker: too long, and nobody wants the answer any more."""

    def test_old_datagrams_are_dropped_and_young_ones_answered(self, kind, monkeypatch):
        monkeypatch.setattr(way_back, "STALE", 0.3)

        async def check():
            async with serving(kind) as served:
                (sock,) = served.socks
                await asyncio.sleep(0.1)  # the kernel begins to stamp a moment after it was told to
                served.path.remove(sock)
                with udp_client() as client:
                    for number in range(5):
                        client.sendto(bytes((0, number)) + QUERY[2:], ("127.0.0.1", served.port))
                    await asyncio.sleep(0.5)
                    client.sendto(b"\0\x63" + QUERY[2:], ("127.0.0.1", served.port))
                    served.path.add(sock)
                    assert (await receive(client))[:2] == b"\0\x63"
                    assert await receive(client, 0.05) is None
                assert served.dropped("stale") == 5
                # The queue has been empty: stamps cost something and are no longer needed.
                assert sock.getsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS) == 0

        run_in_worker_loop(check())

    def test_what_else_the_kernel_tells_is_left_alone(self, kind):
        async def check():
            async with serving(kind, "127.0.0.1:0") as served:
                served.socks[0].setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
                with udp_client() as client:
                    client.sendto(QUERY, ("127.0.0.1", served.port))
                    assert await receive(client) == response_to(QUERY)

        run_in_worker_loop(check())

    @pytest.mark.parametrize("entry", ["0.0.0.0:0", "[::]:0"])
    def test_stamps_and_the_address_asked_fit_beside_each_other(self, kind, entry):
        async def check():
            async with serving(kind, entry) as served:
                family = served.socks[0].family
                address = "::1" if family == socket.AF_INET6 else "127.0.0.2"
                with udp_client(family=family) as client:
                    client.sendto(QUERY, (address, served.port))
                    await until(lambda: served.path.received)
                    octets, sender = client.recvfrom(4096)
                    assert octets == response_to(QUERY)
                    assert sender[0] == address

        run_in_worker_loop(check())
