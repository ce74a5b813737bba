"""Sockets from systemd are taken over, dealt out, or refused by name."""

import errno
import os
import socket

import pytest

from blackhole_guard.server import activation, sockets, system
from blackhole_guard.server.listen import ListenError


def option(sock, level, name):
    return sock.getsockopt(level, name)


class TestActivation:
    """Descriptors from systemd begin at 3; the tests put theirs where nothing else is."""

    @pytest.fixture
    def passed(self, monkeypatch):
        opened = []

        def pass_on(*socks):
            first = 300
            for number, sock in enumerate(socks, first):
                os.dup2(sock.fileno(), number)
                opened.append(number)
                sock.close()
            monkeypatch.setattr(activation, "_FIRST", first)
            return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(socks)), "LISTEN_FDNAMES": "", "HOME": "/"}

        yield pass_on
        for number in opened:
            try:
                os.close(number)
            except OSError as error:
                assert error.errno == errno.EBADF

    def bound(self, kind, reuse=False, port=0, family=socket.AF_INET):
        sock = socket.socket(family, kind)
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::", port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock

    def pair(self):
        udp = self.bound(socket.SOCK_DGRAM)
        return udp, self.bound(socket.SOCK_STREAM, port=udp.getsockname()[1])

    def test_a_single_socket_is_shared_by_all_slots(self, passed):
        udp, tcp = self.pair()
        address = sockets.local_endpoint(udp)
        environ = passed(udp, tcp)
        held = activation.take_activated(environ, 3)
        assert held.addresses == (address,)
        assert held.warnings == ()
        assert len({id(slot.udp[0]) for slot in held.slots}) == 1
        assert [len(slot.tcp) for slot in held.slots] == [1, 1, 1]
        assert environ == {"HOME": "/"}
        first = held.slots[0].udp[0]
        assert not first.getblocking()
        assert not first.get_inheritable()
        assert option(first, socket.IPPROTO_IP, system.IP_MTU_DISCOVER) == system.PMTUDISC_OMIT
        held.close()

    def test_several_of_one_address_are_dealt_out_and_none_is_left_unread(self, passed):
        group = [self.bound(socket.SOCK_DGRAM, reuse=True)]
        port = group[0].getsockname()[1]
        group += [self.bound(socket.SOCK_DGRAM, reuse=True, port=port) for _ in range(2)]
        held = activation.take_activated(passed(*group), 2)
        assert [len(slot.udp) for slot in held.slots] == [2, 1]
        assert len({sock for slot in held.slots for sock in slot.udp}) == 3
        assert held.warnings == (f"systemd passed no ListenStream=127.0.0.1:{port} beside its ListenDatagram=",)
        held.close()

    def test_tcp_alone_is_a_warning(self, passed):
        tcp = self.bound(socket.SOCK_STREAM)
        port = tcp.getsockname()[1]
        held = activation.take_activated(passed(tcp), 1)
        assert held.warnings == (f"systemd passed no ListenDatagram=127.0.0.1:{port} beside its ListenStream=",)
        held.close()

    def test_a_wildcard_for_both_families_says_which_address_was_asked(self, passed):
        udp = self.bound(socket.SOCK_DGRAM, family=socket.AF_INET6)
        held = activation.take_activated(passed(udp), 1)
        assert option(held.slots[0].udp[0], socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO) == 1
        held.close()

    @pytest.mark.parametrize(
        "environ",
        [
            {},
            {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
            {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
            {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
            {"LISTEN_PID": str(os.getpid())},
        ],
    )
    def test_what_was_not_passed_to_us_is_not_ours(self, environ):
        assert activation.take_activated(environ, 1) is None
        assert environ == {}

    def test_sockets_that_cannot_serve_dns_are_named(self, passed):
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        silent = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        good = self.bound(socket.SOCK_DGRAM)
        environ = passed(raw, silent, good)
        environ["LISTEN_FDNAMES"] = "web:dns.socket"
        with pytest.raises(ListenError) as error:
            activation.take_activated(environ, 1)
        assert error.value.problems == (
            "the socket 'web' from systemd cannot be served: it is neither IPv4 nor IPv6",
            "the socket 'dns.socket' from systemd cannot be served: it does not listen; "
            "a socket unit for us has no Accept=yes",
        )
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(302)  # the good one does not stay open either

    @pytest.mark.root
    def test_a_raw_socket_is_neither(self, passed):
        with pytest.raises(ListenError, match="'number 0' from systemd cannot be served: it is neither UDP nor TCP"):
            activation.take_activated(passed(socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)), 1)

    def test_a_descriptor_that_is_not_open_is_a_problem(self, monkeypatch):
        monkeypatch.setattr(activation, "_FIRST", 900)
        with pytest.raises(ListenError, match="Bad file descriptor"):
            activation.take_activated({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, 1)
