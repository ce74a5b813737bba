"""Who holds a port is named where that can be seen."""

import socket
import subprocess
import sys
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from blackhole_guard.server.holders import Holder, describe_holders, find_holders
from blackhole_guard.server.listen import Endpoint, ListenError
from blackhole_guard.server.sockets import open_sockets


class TestHolders:
    def hold(self, address, kind):
        code = (
            "import socket,sys\n"
            f"s=socket.socket(socket.AF_INET6 if ':' in {address!r} else socket.AF_INET, socket.{kind})\n"
            f"s.bind(({address!r}, 0))\n"
            f"{'s.listen()' if kind == 'SOCK_STREAM' else ''}\n"
            "print(s.getsockname()[1], flush=True)\nsys.stdin.read()\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return process, int(process.stdout.readline())

    @pytest.mark.parametrize(
        ("held", "kind", "wanted"),
        [
            ("127.0.0.1", "SOCK_DGRAM", "127.0.0.1"),
            ("127.0.0.1", "SOCK_STREAM", "127.0.0.1"),
            ("0.0.0.0", "SOCK_STREAM", "127.0.0.1"),
            ("127.0.0.1", "SOCK_DGRAM", "0.0.0.0"),
            ("::", "SOCK_DGRAM", "127.0.0.1"),  # it takes IPv4, too
            ("::1", "SOCK_STREAM", "::1"),
            ("::1", "SOCK_DGRAM", "::"),
        ],
    )
    def test_another_process_is_named_with_its_id(self, held, kind, wanted):
        process, port = self.hold(held, kind)
        try:
            entry = f"[{wanted}]:{port}" if ":" in wanted else f"{wanted}:{port}"
            with pytest.raises(ListenError) as error:
                open_sockets([entry], 53, 1)
            name = Path(f"/proc/{process.pid}/comm").read_text().strip()
            assert f"it is taken by {name} (pid {process.pid})" in str(error.value)
        finally:
            process.communicate()

    @pytest.mark.parametrize(("held", "wanted"), [("127.0.0.1", "127.0.0.2"), ("::1", "127.0.0.1")])
    def test_a_socket_on_another_address_is_no_holder(self, held, wanted):
        process, port = self.hold(held, "SOCK_DGRAM")
        try:
            assert find_holders("udp", Endpoint(ip_address(wanted), port)) == []
        finally:
            process.communicate()

    def test_who_cannot_be_seen_is_looked_for_by_hand(self, tmp_path):
        endpoint = Endpoint(IPv4Address("127.0.0.1"), 53)
        assert find_holders("udp", endpoint, proc=tmp_path) == []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        assert "ss -lunp" in describe_holders("udp", Endpoint(IPv4Address("127.0.0.1"), port))

    def make_proc(self, root, names):
        """A /proc in which 127.0.0.1:53/tcp is held by processes of these names; None: one that cannot be read."""
        (root / "net").mkdir()
        word = f"{int.from_bytes(bytes((127, 0, 0, 1)), sys.byteorder):08X}"
        row = f"   0: {word}:0035 00000000:0000 %s 00000000:00000000 00:00000000 00000000  0 0 %s 1 0000 100 0 0 10 0\n"
        (root / "net" / "tcp").write_text("  sl  local_address ...\n" + row % ("01", "666") + row % ("0A", "4711"))
        for pid, name in enumerate(names, 100):
            (root / str(pid) / "fd").mkdir(parents=True)
            (root / str(pid) / "fd" / "5").symlink_to("socket:[4711]")
            if name is not None:
                (root / str(pid) / "comm").write_text(name + "\n")
        (root / "99" / "fd").mkdir(parents=True)
        (root / "99" / "fd" / "5").symlink_to("socket:[666]")  # a connection of that port, not a listener
        (root / "98").mkdir()  # it ended while we looked

    def test_names_come_as_printable_text(self, tmp_path):
        self.make_proc(tmp_path, ["named", "e\x1b[2Jvil", None])
        endpoint = Endpoint(IPv4Address("127.0.0.1"), 53)
        assert find_holders("tcp", endpoint, proc=tmp_path) == [
            Holder(100, "named"),
            Holder(101, "e?[2Jvil"),
            Holder(102, "?"),
        ]

    def test_many_holders_are_cut_and_resolved_gets_its_hint(self, monkeypatch):
        monkeypatch.setattr(
            "blackhole_guard.server.holders.find_holders",
            lambda protocol, endpoint: [Holder(pid, "systemd-resolve") for pid in range(1, 6)],
        )
        text = describe_holders("udp", Endpoint(IPv4Address("0.0.0.0"), 53))
        assert "systemd-resolve (pid 3) and 2 more; list addresses" in text
        assert "DNSStubListener=no" in text
