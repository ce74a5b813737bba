"""The sockets of all slots: groups of SO_REUSEPORT, options, what is said when one cannot be had."""

import errno
import gc
import os
import select
import socket
import subprocess
import warnings
from pathlib import Path

import pytest
from doubles import in_child, in_namespace

from blackhole_guard.server import sockets, system
from blackhole_guard.server.listen import ListenError
from blackhole_guard.server.sockets import open_sockets


def option(sock, level, name):
    return sock.getsockopt(level, name)


class TestGroups:
    def test_each_slot_has_its_own_pair_on_one_port(self):
        held = open_sockets(["127.0.0.1:0"], 53, 3)
        try:
            every = [sock for slot in held.slots for sock in (*slot.udp, *slot.tcp)]
            assert [slot.slot for slot in held.slots] == [0, 1, 2]
            assert len({sock.fileno() for sock in every}) == 6
            assert len({sock.getsockname() for sock in every}) == 1
            assert held.addresses == (f"127.0.0.1:{every[0].getsockname()[1]}",)
            assert held.warnings == ()
        finally:
            held.close()

    def test_the_kernel_deals_clients_out_to_all_slots(self):
        held = open_sockets(["127.0.0.1:0"], 53, 2)
        try:
            to = held.slots[0].udp[0].getsockname()
            clients = []
            for _ in range(64):
                udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                udp.sendto(b"x", to)
                clients += [udp, socket.create_connection(to)]
            every = [sock for slot in held.slots for sock in (*slot.udp, *slot.tcp)]
            assert len(select.select(every, [], [], 2)[0]) == 4
            for client in clients:
                client.close()
        finally:
            held.close()

    @pytest.mark.parametrize("entry", ["127.0.0.1:0", "[::1]:0"])
    def test_a_connection_is_what_any_listening_socket_gives(self, entry):
        held = open_sockets([entry], 53, 1)
        try:
            listener = held.slots[0].tcp[0]
            seen = []
            for accept in (listener.accept, lambda: socket.socket.accept(listener)):
                with socket.create_connection(listener.getsockname()[:2]) as client:
                    select.select([listener], [], [], 2)
                    sock, address = accept()
                    with sock:
                        assert address == client.getsockname()
                        assert sock.getpeername() == address
                        seen.append((type(sock), sock.family, sock.type, sock.proto, sock.gettimeout()))
            assert seen[0] == seen[1]
            with pytest.raises(BlockingIOError):
                listener.accept()
        finally:
            held.close()

    def test_a_port_in_use_is_refused_and_its_holder_named(self):
        held = open_sockets(["127.0.0.1:0"], 53, 1)
        try:
            with pytest.raises(ListenError) as error:
                open_sockets(held.addresses, 53, 1)
            assert f"{held.addresses[0]}/udp: it is taken by" in str(error.value)
            assert f"(pid {os.getpid()})" in str(error.value)
            assert error.value.problems[0].endswith("; stop that, or set another address or port in `server.listen`")
        finally:
            held.close()

    @pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
    def test_we_do_not_slip_into_the_group_of_another_program(self, kind, name):
        with socket.socket(socket.AF_INET, kind) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                other.listen()
            with pytest.raises(ListenError, match=f"/{name}: it is taken by"):
                open_sockets([f"127.0.0.1:{other.getsockname()[1]}"], 53, 2)

    def test_nothing_stays_open_after_an_error(self):
        before = len(os.listdir("/proc/self/fd"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            with pytest.raises(ListenError):
                open_sockets(["127.0.0.1:0", f"127.0.0.1:{other.getsockname()[1]}"], 53, 2)
        assert len(os.listdir("/proc/self/fd")) == before

    def test_all_endpoints_that_cannot_be_had_are_named(self):
        with pytest.raises(ListenError) as error:
            open_sockets(["198.51.100.1", "198.51.100.2", "127.0.0.1:0"], 53, 1)
        assert [problem.split(":")[0] for problem in error.value.problems] == [
            "cannot listen on 198.51.100.1",
            "cannot listen on 198.51.100.2",
        ]
        assert error.value.problems[0].endswith("this machine does not have that address; mend `server.listen`")

    def test_a_port_behind_an_address_without_brackets_is_explained(self):
        with pytest.raises(ListenError, match=r"does not have that address; .* stands in brackets$"):
            open_sockets(["::1:53"], 53, 1)  # an address by itself

    def test_a_free_port_is_free_in_tcp_too(self, monkeypatch):
        taken = [errno.EADDRINUSE, errno.EADDRINUSE]
        listen = sockets._open_tcp

        def sometimes(*arguments, **named):
            if taken:
                raise OSError(taken.pop(), "taken")
            return listen(*arguments, **named)

        monkeypatch.setattr(sockets, "_open_tcp", sometimes)
        held = open_sockets(["127.0.0.1:0"], 53, 1)
        assert held.slots[0].udp[0].getsockname() == held.slots[0].tcp[0].getsockname()
        assert not taken
        held.close()

    def test_the_search_for_a_free_port_ends(self, monkeypatch):
        def never(*arguments, **named):
            raise OSError(errno.EADDRINUSE, "taken")

        monkeypatch.setattr(sockets, "_open_tcp", never)
        with pytest.raises(ListenError, match="taken"):
            open_sockets(["127.0.0.1:0"], 53, 1)

    def test_a_restart_does_not_wait_for_old_connections(self):
        held = open_sockets(["127.0.0.1:0"], 53, 1)
        listener = held.slots[0].tcp[0]
        listener.setblocking(True)
        client = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
        connection.close()  # our side closes first: TIME_WAIT is ours
        client.close()
        held.close()
        open_sockets(held.addresses, 53, 1).close()

    def test_other_errors_say_what_the_kernel_says(self, monkeypatch):
        def fail(*arguments, **named):
            raise OSError(errno.ENOBUFS, "No buffer space available")

        monkeypatch.setattr(sockets, "_open_tcp", fail)
        with pytest.raises(ListenError, match="No buffer space available"):
            open_sockets(["127.0.0.1:0"], 53, 1)


class TestOptions:
    @pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"])
    def test_every_socket_has_what_it_needs(self, address):
        held = open_sockets([address], 53, 2)
        wildcard = address in ("0.0.0.0:0", "[::]:0")
        for slot in held.slots:
            (udp,), (tcp,) = slot.udp, slot.tcp
            assert not udp.getblocking()
            assert not tcp.getblocking()
            assert option(udp, socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * sockets.BUFFER
            assert option(udp, socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * sockets.BUFFER
            assert option(udp, socket.IPPROTO_IP, system.IP_MTU_DISCOVER) == system.PMTUDISC_OMIT
            assert option(tcp, socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if udp.family == socket.AF_INET6:
                assert option(udp, socket.IPPROTO_IPV6, system.IPV6_MTU_DISCOVER) == system.PMTUDISC_OMIT
                assert option(udp, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                assert option(tcp, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                assert option(udp, socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO) == wildcard
            else:
                assert option(udp, socket.IPPROTO_IP, system.IP_PKTINFO) == wildcard
        held.close()

    def test_connections_inherit_what_the_listener_has(self):
        held = open_sockets(["127.0.0.1:0"], 53, 1)
        listener = held.slots[0].tcp[0]
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                assert option(connection, socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert option(connection, socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == sockets.UNSENT
        held.close()

    def test_arrivals_are_stamped_from_the_start_and_on_demand(self):
        held = open_sockets(["127.0.0.1:0"], 53, 1)
        (slot,) = held.slots
        assert option(slot.udp[0], socket.SOL_SOCKET, system.SO_TIMESTAMPNS) == 1
        slot.stamp_arrivals(False)
        assert option(slot.udp[0], socket.SOL_SOCKET, system.SO_TIMESTAMPNS) == 0
        slot.stamp_arrivals(True)
        assert option(slot.udp[0], socket.SOL_SOCKET, system.SO_TIMESTAMPNS) == 1
        held.close()

    def test_a_buffer_that_the_kernel_cuts_is_a_warning_said_once(self, monkeypatch):
        monkeypatch.setattr(sockets, "BUFFER", 2**31 - 1)
        held = open_sockets(["127.0.0.1:0"], 53, 2)
        held.close()
        assert len(held.warnings) == 2
        assert "send buffer" in held.warnings[0]
        assert "net.core.rmem_max" in held.warnings[1]

    @pytest.mark.root
    def test_without_privileges_the_kernels_limit_holds(self):
        def check():
            os.setgroups([])
            os.setresuid(65534, 65534, 65534)
            limit = int(Path("/proc/sys/net/core/wmem_max").read_text())
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sockets, "BUFFER", 2 * limit)
                held = open_sockets(["127.0.0.1:0"], 53, 1)
            assert any(f"the send buffer is {limit} octets instead of {2 * limit}" in each for each in held.warnings)

        in_child(check)

    def test_the_numbers_are_those_of_the_kernels_headers(self, tmp_path):
        source = tmp_path / "numbers.c"
        names = [
            "IP_PKTINFO", "IP_MTU_DISCOVER", "IPV6_MTU_DISCOVER", "IP_PMTUDISC_OMIT", "IPV6_PMTUDISC_OMIT",
            "SO_SNDBUFFORCE", "SO_RCVBUFFORCE", "SO_TIMESTAMPNS", "SO_MEMINFO", "SK_MEMINFO_DROPS", "SK_MEMINFO_VARS",
            "sizeof(struct in_pktinfo)", "sizeof(struct in6_pktinfo)", "sizeof(struct timespec)",
        ]  # fmt: skip
        lines = "".join(f'printf("%d\\n", (int) {name});\n' for name in names)
        source.write_text(
            "#define _GNU_SOURCE\n#include <stdio.h>\n#include <time.h>\n#include <sys/socket.h>\n"
            "#include <netinet/in.h>\n#include <linux/sock_diag.h>\n#include <asm/socket.h>\n"
            f"int main(void) {{\n{lines}return 0;\n}}\n"
        )
        subprocess.run(["gcc", "-o", tmp_path / "numbers", source], check=True)
        out = subprocess.run([tmp_path / "numbers"], check=True, capture_output=True, text=True).stdout.split()
        assert [int(number) for number in out] == [
            system.IP_PKTINFO, system.IP_MTU_DISCOVER, system.IPV6_MTU_DISCOVER, system.PMTUDISC_OMIT,
            system.PMTUDISC_OMIT, system.SO_SNDBUFFORCE, system.SO_RCVBUFFORCE, system.SO_TIMESTAMPNS,
            system.SO_MEMINFO, system.SK_MEMINFO_DROPS, system.SK_MEMINFO_VARS, system.IN_PKTINFO.size,
            system.IN6_PKTINFO.size, system.TIMESPEC.size,
        ]  # fmt: skip

    def test_drops_of_a_full_buffer_are_read_from_the_kernel(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.bind(("127.0.0.1", 0))
            assert system.receive_drops(sock) == 0
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for _ in range(100):
                    client.sendto(bytes(500), sock.getsockname())
            assert 80 < system.receive_drops(sock) < 100


@pytest.mark.root
class TestNamespaces:
    def test_without_ipv6_the_default_warns_and_an_explicit_address_fails(self):
        def check():
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
            held = open_sockets(None, 53, 2)
            assert held.addresses == ("127.0.0.1:53",)
            assert held.warnings == ("not listening on [::1]:53: this machine has no IPv6 loopback address",)
            held.close()
            with pytest.raises(ListenError, match=r"\[::1\]:53/udp: this machine does not have that address"):
                open_sockets(["127.0.0.1", "::1"], 53, 2)

        in_namespace(check)

    def test_the_default_is_both_loopback_addresses(self):
        def check():
            held = open_sockets(None, 53, 1)
            assert held.addresses == ("127.0.0.1:53", "[::1]:53")

        in_namespace(check)

    def test_an_interface_stands_for_its_addresses(self):
        def check():
            held = open_sockets(["lo:5300", "v0"], 53, 1)
            found = {str(each) for each in held.addresses}
            index = socket.if_nametoindex("v0")
            assert {"127.0.0.1:5300", "10.0.0.53:5300", "[::1]:5300", "[fd00::53]:5300"} <= found
            assert f"[fe80::53%{index}]:53" in found

        in_namespace(
            check,
            commands=(
                "addr add 10.0.0.53/32 dev lo",
                "addr add fd00::53/128 dev lo nodad",
                "link add v0 type veth peer name v1",
                "link set v0 addrgenmode none",
                "link set v0 up",
                "link set v1 up",
                "addr add fe80::53/64 dev v0 nodad",
            ),
        )

    def test_a_low_port_needs_a_privilege_and_the_error_says_which(self):
        def check():
            os.setgroups([])
            os.setresuid(65534, 65534, 65534)
            with pytest.raises(ListenError, match=r"127\.0\.0\.1:53/udp: permission denied; .*CAP_NET_BIND_SERVICE"):
                open_sockets(["127.0.0.1"], 53, 1)

        in_namespace(check)


@pytest.mark.root
def test_a_free_port_is_one_that_is_free_for_udp_and_for_tcp():
    def check():
        # The kernel's choice ends at the first TCP port that somebody has; ours goes on.
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40003")
        taken = [socket.create_server(("127.0.0.1", port)) for port in (40000, 40001, 40002)]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for _ in range(10):
                held = open_sockets(["127.0.0.1:0"], 53, 2)
                assert held.addresses == ("127.0.0.1:40003",)
                held.close()
            gc.collect()
        assert [str(warning.message) for warning in said] == []  # no socket of a try that failed stays open
        for sock in taken:
            sock.close()

    in_namespace(check)


class TestHttp:
    def test_each_entry_gets_a_listening_socket(self):
        one, two = sockets.open_http_sockets(["127.0.0.1:0", "[::1]:0"], 9353)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert two.family == socket.AF_INET6
        one.close()
        two.close()

    def test_what_is_taken_is_named_and_nothing_stays_open(self):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            text = rf"^metrics: cannot listen on 127.0.0.1:{port}/tcp: it is taken by .*`telemetry.listen`$"
            with pytest.raises(ListenError, match=text):
                sockets.open_http_sockets(["[::1]:0", "127.0.0.1"], port)
