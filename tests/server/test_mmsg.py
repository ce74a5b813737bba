"""Slots: many datagrams a system call, on real sockets, with the structures that a C compiler has."""

import errno
import socket
import subprocess
from contextlib import ExitStack

import pytest
from doubles import in_namespace
from hypothesis import given, settings
from hypothesis import strategies as st

from blackhole_guard.server import mmsg, system
from blackhole_guard.server.mmsg import SLOT, SLOTS, Slots

LAYOUT = """
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
int main(void) {
    printf("%zu %zu %zu\\n", sizeof(struct iovec), offsetof(struct iovec, iov_base), offsetof(struct iovec, iov_len));
    printf("%zu %zu %zu %zu %zu %zu %zu %zu\\n", sizeof(struct msghdr), offsetof(struct msghdr, msg_name),
        offsetof(struct msghdr, msg_namelen), offsetof(struct msghdr, msg_iov), offsetof(struct msghdr, msg_iovlen),
        offsetof(struct msghdr, msg_control), offsetof(struct msghdr, msg_controllen),
        offsetof(struct msghdr, msg_flags));
    printf("%zu %zu\\n", sizeof(struct mmsghdr), offsetof(struct mmsghdr, msg_len));
    printf("%zu %zu %zu %zu\\n", sizeof(struct cmsghdr), offsetof(struct cmsghdr, cmsg_len),
        offsetof(struct cmsghdr, cmsg_level), offsetof(struct cmsghdr, cmsg_type));
    printf("%zu %zu %zu\\n", offsetof(struct sockaddr_in, sin_port), offsetof(struct sockaddr_in, sin_addr),
        offsetof(struct sockaddr_in6, sin6_addr));
    printf("%zu %zu\\n", CMSG_LEN(sizeof(struct in_pktinfo)), CMSG_LEN(sizeof(struct in6_pktinfo)));
}
"""


def layout(structure):
    return [mmsg.ctypes.sizeof(structure), *(getattr(structure, field[0]).offset for field in structure._fields_)]


@pytest.fixture(scope="module")
def slots():
    return Slots()


@pytest.fixture
def open_pair():
    """Makes a socket that serves, and one that asks."""
    with ExitStack() as stack:

        def run(family=socket.AF_INET, server="127.0.0.1", pktinfo=True):
            made = [stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in range(2)]
            for sock in made:
                sock.bind((server, 0))
                sock.settimeout(2)
            if pktinfo:
                ask_for_addresses(made[0])
            return made

        yield run


def ask_for_addresses(sock):
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, system.IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)


def send_all(client, server, datagrams):
    for datagram in datagrams:
        client.sendto(datagram, server.getsockname())


def test_structures_are_those_of_a_c_compiler(tmp_path):
    source = tmp_path / "layout.c"
    source.write_text(LAYOUT)
    subprocess.run(["gcc", "-o", tmp_path / "layout", source], check=True)
    output = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    vector, header, many, control, names, lengths = (list(map(int, line.split())) for line in output.splitlines())
    assert layout(mmsg._IoVec) == vector
    assert layout(mmsg._MsgHdr) == header
    assert [mmsg._HEADER, mmsg._MMsgHdr.size.offset] == many
    assert [mmsg._CMSG.size, 0, 8, 12] == control
    assert names == [2, 4, 8]
    packed = [mmsg._PKTINFO[family][0] for family in (socket.AF_INET, socket.AF_INET6)]
    assert [mmsg._CMSG.unpack(header)[0] for header in packed] == lengths
    assert mmsg.is_available()


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
class TestReceiveAndSend:
    def test_datagrams_and_who_sent_them(self, slots, open_pair, family, address):
        server, client = open_pair(family, address)
        send_all(client, server, [b"x" * size for size in (0, 1, 700, SLOT)])
        assert slots.receive(server.fileno()) == 4
        assert slots.sizes(4) == [0, 1, 700, SLOT]
        assert slots.octets[2][:700] == b"x" * 700
        packed, port = socket.inet_pton(family, address), client.getsockname()[1]
        assert slots.ports(4) == [socket.htons(port)] * 4
        for slot in range(4):
            assert slots.source(slot, family) == packed
            assert slots.port(slot) == port
        if family == socket.AF_INET:
            assert [word.to_bytes(4, mmsg.sys.byteorder) for word in slots.words(4)] == [packed] * 4
        else:
            assert slots.addresses(4) == [packed] * 4

    def test_more_than_there_are_slots_and_nothing(self, slots, open_pair, family, address):
        server, client = open_pair(family, address)
        send_all(client, server, [b"x"] * (SLOTS + 1))
        assert slots.receive(server.fileno()) == SLOTS
        assert slots.receive(server.fileno()) == 1
        with pytest.raises(BlockingIOError):
            slots.receive(server.fileno())

    def test_what_is_longer_than_a_slot_is_cut(self, slots, open_pair, family, address):
        server, client = open_pair(family, address)
        send_all(client, server, [b"x" * SLOT, b"x" * (SLOT + 1)])
        assert slots.receive(server.fileno()) == 2
        assert slots.sizes(2) == [SLOT, SLOT]
        assert [slots.is_cut(slot) for slot in range(2)] == [False, True]
        assert not any(slots.octets[1][SLOT:])

    def test_responses_leave_from_the_address_that_was_asked(self, slots, open_pair, family, address):
        server, client = open_pair(family, address)
        send_all(client, server, [b"a", b"b", b"c"])
        count = slots.receive(server.fileno())
        before = [slots.control(slot) for slot in range(count)]
        assert slots.turn_addresses(count, family)
        for slot in range(count):
            ((level, kind, data),) = slots.control(slot)
            assert (level, kind) == before[slot][0][:2]
            asked = socket.inet_pton(family, address)
            expected = system.IN_PKTINFO.pack(0, asked, asked) if len(asked) == 4 else system.IN6_PKTINFO.pack(asked, 0)
            assert data == expected
        assert slots.send(server.fileno(), [1, 1, 1]) == []
        assert [client.recvfrom(9)[0] for _ in range(3)] == [b"a", b"b", b"c"]

    def test_control_messages_are_read_as_they_were_set(self, slots, open_pair, family, address):
        server, client = open_pair(family, address)
        send_all(client, server, [b"a"])
        slots.receive(server.fileno())
        messages = [(1, 2, b"odd"), (3, 4, b""), (5, 6, b"12345678")]
        for each in (messages, messages[:1], []):
            slots.set_control(0, each)
            assert slots.control(0) == each

    def test_addresses_that_were_not_told_are_not_turned(self, slots, open_pair, family, address):
        server, client = open_pair(family, address, pktinfo=False)
        send_all(client, server, [b"a"])
        assert slots.receive(server.fileno()) == 1
        assert slots.control_sizes(1) == [0]
        assert not slots.turn_addresses(1, family)

    def test_with_a_time_stamp_beside_it_an_address_is_left_alone(self, slots, open_pair, family, address):
        server, client = open_pair(family, address)
        send_all(client, server, [b"a"])
        server.setsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS, 1)
        send_all(client, server, [b"b"])
        count = slots.receive(server.fileno())
        before = [slots.control(slot) for slot in range(count)]
        assert {kind for _, kind, _ in before[1]} >= {system.SCM_TIMESTAMPNS}
        assert not slots.turn_addresses(count, family)
        assert [slots.control(slot) for slot in range(count)] == before

    @pytest.mark.parametrize(("level", "kind"), [(socket.IPPROTO_IP, 50), (socket.IPPROTO_IPV6, 8)])
    def test_another_control_message_of_the_same_size_is_no_address(
        self, slots, open_pair, family, address, level, kind
    ):
        server, client = open_pair(family, address)
        send_all(client, server, [b"a"])
        slots.receive(server.fileno())
        size = 12 if family == socket.AF_INET else 20
        slots.set_control(0, [(level, kind, bytes(size))])
        assert not slots.turn_addresses(1, family)


@pytest.mark.parametrize(("address", "turned"), [("fe80::1", False), ("ff02::1", False), ("fd00::1", True)])
def test_addresses_that_need_their_interface_want_a_closer_look(slots, open_pair, address, turned):
    server, client = open_pair(socket.AF_INET6, "::1")
    send_all(client, server, [b"a"])
    slots.receive(server.fileno())
    asked = system.IN6_PKTINFO.pack(socket.inet_pton(socket.AF_INET6, address), 7)
    slots.set_control(0, [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, asked)])
    assert slots.turn_addresses(1, socket.AF_INET6) is turned
    assert slots.control(0)[0][2][-4:] == (bytes(4) if turned else asked[-4:])


@pytest.mark.parametrize("length", [0, 15, 4096])
def test_a_control_message_of_no_possible_length_ends_the_list(slots, open_pair, length):
    server, client = open_pair()
    send_all(client, server, [b"a"])
    slots.receive(server.fileno())
    slots.set_control(0, [(1, 2, b"12345678"), (3, 4, b"12345678")])
    mmsg._CMSG.pack_into(slots._controls, socket.CMSG_SPACE(8), length, 3, 4)
    assert slots.control(0) == [(1, 2, b"12345678")]


class TestRanks:
    @given(sizes=st.lists(st.sampled_from((0, 1, 2, 3)), min_size=1, max_size=SLOTS))
    @settings(max_examples=60, deadline=None)
    def test_zeros_anywhere_leave_the_others_in_order(self, slots, sizes):
        with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
            for sock in (server, client):
                sock.bind(("127.0.0.1", 0))
                sock.setblocking(False)
            for number in range(len(sizes)):
                client.sendto(bytes((number, 255, 255)), server.getsockname())
            assert slots.receive(server.fileno()) == len(sizes)
            assert slots.send(server.fileno(), sizes) == []
            expected = [bytes((number, 255, 255))[:size] for number, size in enumerate(sizes) if size]
            assert [client.recv(9) for _ in expected] == expected
            with pytest.raises(BlockingIOError):
                client.recv(9)


class TestErrors:
    def test_a_socket_that_is_none(self, slots):
        with pytest.raises(OSError) as caught:
            slots.receive(1 << 20)
        assert caught.value.errno == errno.EBADF

    @pytest.mark.parametrize("places", [(1,), (0,), (4,), (0, 1, 4), (0, 1, 2, 3, 4)])
    def test_what_cannot_be_sent_costs_itself_alone(self, slots, open_pair, places):
        """Nobody can be sent to at port 0."""
        server, client = open_pair()
        send_all(client, server, [bytes((number,)) for number in range(5)])
        assert slots.receive(server.fileno()) == 5
        for slot in places:
            slots._name_shorts[slot * mmsg._NAME // 2 + 1] = 0
        assert slots.send(server.fileno(), [1] * 5) == [errno.EINVAL] * len(places)
        rest = [bytes((number,)) for number in range(5) if number not in places]
        assert [client.recv(9) for _ in rest] == rest

    @pytest.mark.root
    @pytest.mark.parametrize(
        ("address", "number"),
        [
            ("10.9.0.255", errno.EACCES),  # a broadcast address
            ("198.51.100.1", errno.EHOSTUNREACH),
            ("203.0.113.1", errno.EACCES),
            ("192.0.2.1", errno.ENETUNREACH),
        ],
    )
    def test_the_kernels_reason_is_given_for_each(self, address, number):
        def check():
            slots = Slots()
            with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
                for sock in (server, client):
                    sock.bind(("0.0.0.0", 0))
                    sock.settimeout(2)
                for octet in (b"a", b"b", b"c"):
                    client.sendto(octet, ("127.0.0.1", server.getsockname()[1]))
                assert slots.receive(server.fileno()) == 3
                start = mmsg._NAME + 4
                slots._names[start : start + 4] = socket.inet_aton(address)
                assert slots.send(server.fileno(), [1, 1, 1]) == [number]
                assert [client.recv(9) for _ in range(2)] == [b"a", b"c"]

        in_namespace(
            check,
            commands=(
                "link add v0 type veth peer name v1",
                "addr add 10.9.0.1/24 brd 10.9.0.255 dev v0",
                "link set v0 up",
                "link set v1 up",
                "route add unreachable 198.51.100.0/24",
                "route add prohibit 203.0.113.0/24",
            ),
        )
