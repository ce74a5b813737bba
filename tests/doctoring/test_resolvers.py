"""Which resolvers are meant: as written by people, by resolv.conf, by resolvectl."""

import namespaces
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peer_programs import program

from blackhole_guard.config.problems import ValueProblem
from blackhole_guard.doctoring import resolvers
from blackhole_guard.doctoring.resolvers import (
    Resolver,
    find_resolvers,
    find_way_to,
    read_resolv_conf,
    read_resolvectl,
    read_resolver,
)


@pytest.mark.parametrize(
    ("text", "address", "port", "shown"),
    [
        ("192.0.2.53", "192.0.2.53", 53, "192.0.2.53:53"),
        ("192.0.2.53:5300", "192.0.2.53", 5300, "192.0.2.53:5300"),
        ("2001:db8::53", "2001:db8::53", 53, "[2001:db8::53]:53"),
        ("[2001:db8::53]", "2001:db8::53", 53, "[2001:db8::53]:53"),
        ("[2001:db8::53]:5300", "2001:db8::53", 5300, "[2001:db8::53]:5300"),
        ("fe80::1%eth0", "fe80::1%eth0", 53, "[fe80::1%eth0]:53"),
        ("[fe80::1%eth0]:5300", "fe80::1%eth0", 5300, "[fe80::1%eth0]:5300"),
    ],
)
def test_a_resolver_is_an_address_and_a_port(text, address, port, shown):
    assert read_resolver(text) == Resolver(address, port)
    assert str(read_resolver(text)) == shown


RESOLV_CONF = """# made by hand
domain example.com
search example.com
nameserver 127.0.0.53
 nameserver 192.0.2.1 # the second
nameserver 192.0.2.1
nameserver
nameserver dns.example.com
nameserver fe80::1%2
options edns0 trust-ad
"""


def test_resolv_conf_names_servers_in_its_lines():
    assert read_resolv_conf(RESOLV_CONF) == (Resolver("127.0.0.53"), Resolver("192.0.2.1"), Resolver("fe80::1%2"))


RESOLVECTL = """Global: 9.9.9.9#dns.quad9.net
Link 2 (eth0): 192.0.2.1:5353 fe80::1%2 [2001:db8::53]:5353#dns.example
Link 3 (wlan0 (old)):
Link 4 (docker0): 192.0.2.1
"""


def test_resolvectl_names_servers_by_link():
    assert read_resolvectl(RESOLVECTL) == (
        Resolver("9.9.9.9"),
        Resolver("192.0.2.1", 5353),
        Resolver("fe80::1%2"),
        Resolver("2001:db8::53", 5353),
        Resolver("192.0.2.1"),
    )


@pytest.mark.parametrize("read", [read_resolv_conf, read_resolvectl])
@given(text=st.text(max_size=200))
def test_any_text_names_resolvers_or_none(read, text):
    assert all(str(resolver) for resolver in read(text))


@given(st.text(max_size=40))
def test_any_text_is_a_resolver_or_a_problem(text):
    try:
        resolver = read_resolver(text)
    except ValueProblem:
        return
    assert read_resolver(str(resolver)) == resolver


def test_the_stub_of_systemd_resolved_is_asked_whom_it_asks(tmp_path, monkeypatch):
    path = tmp_path / "resolv.conf"
    command = tmp_path / "resolvectl"
    command.write_text("#!/bin/sh\necho 'Link 2 (eth0): 192.0.2.1'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path.write_text("nameserver 127.0.0.53\n")
    assert find_resolvers(path) == (Resolver("127.0.0.53"), Resolver("192.0.2.1"))
    path.write_text("nameserver 192.0.2.7\n")
    assert find_resolvers(path) == (Resolver("192.0.2.7"),)


def test_without_resolvectl_the_stub_is_all_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.53\n")
    assert find_resolvers(path) == (Resolver("127.0.0.53"),)


def test_a_resolvectl_that_hangs_is_left_alone(tmp_path, monkeypatch):
    command = tmp_path / "resolvectl"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(resolvers, "_PATIENCE", 0.1)
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.53\n")
    assert find_resolvers(path) == (Resolver("127.0.0.53"),)


def test_without_a_resolv_conf_there_is_none(tmp_path):
    assert find_resolvers(tmp_path / "resolv.conf") == ()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "0.0.0.0"])
def test_a_resolver_on_loopback_is_on_this_machine(address):
    assert find_way_to(Resolver(address)) is None


@pytest.mark.root
@pytest.mark.peers(*namespaces.PROGRAMS)
def test_a_resolver_on_another_machine_is_asked_from_an_address_of_ours():
    with namespaces.namespace(["192.0.2.9"]) as host:
        ip = program("ip")
        host.run(ip, "link", "add", "out0", "type", "veth", "peer", "name", "out1")
        host.run(ip, "address", "add", "10.0.0.5/24", "dev", "out0")
        host.run(ip, "address", "add", "fd00::5/64", "dev", "out0", "nodad")
        host.run(ip, "link", "set", "out0", "up")
        host.run(ip, "link", "set", "out1", "up")
        found = {
            address: host.inside(lambda address=address: find_way_to(Resolver(address)))
            for address in ("10.0.0.53", "fd00::53", "10.0.0.5", "192.0.2.9", "::1", "198.51.100.1", "fe80::1%none0")
        }
    assert {address: str(own) for address, own in found.items() if own is not None} == {
        "10.0.0.53": "10.0.0.5",
        "fd00::53": "fd00::5",
    }
