"""Namespaces: what is in one is not outside, and the other way round."""

import socket
from pathlib import Path

import namespaces
import pytest
from namespaces import namespace
from peer_processes import PeerError

pytestmark = [pytest.mark.root, pytest.mark.peers(*namespaces.PROGRAMS)]


def test_addresses_and_ports_are_its_own():
    with namespace(["192.0.2.1", "2001:db8::1"]) as host:
        for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
            with host.socket(family) as server, host.socket(family) as client:
                server.bind((address, 53))
                client.sendto(b"in", (address, 53))
                server.settimeout(5)
                assert server.recv(10) == b"in"
        with socket.socket(type=socket.SOCK_DGRAM) as outside, pytest.raises(OSError, match="Cannot assign"):
            outside.bind(("192.0.2.1", 0))


def test_files_stand_in_for_the_machines():
    before = Path("/etc/resolv.conf").read_text()
    with namespace(files={"/etc/resolv.conf": "nameserver 192.0.2.1\n"}) as host:
        assert host.run("cat", "/etc/resolv.conf") == "nameserver 192.0.2.1\n"
        assert Path("/etc/resolv.conf").read_text() == before


def test_nothing_leaves_it():
    with namespace(["192.0.2.1"]) as host, host.socket() as client, pytest.raises(OSError, match="unreachable"):
        client.sendto(b"out", ("198.51.100.1", 53))


def test_it_ends_with_its_body():
    with namespace() as host:
        pass
    with pytest.raises((OSError, PeerError)):
        host.run("true")
