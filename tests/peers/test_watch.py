"""`watch` beside resolvers that leak, in a stand-in internet: it counts what the blackholes count."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.message
import dns.rdatatype
import dns.reversename
import namespaces
import pytest
from peer_processes import Peer, stop
from peer_programs import program
from peer_servers import bind, unbound
from stand_in_internet import AS112, ROOT_HINTS, Internet, internet

RESOLVER = "10.0.0.53"

pytestmark = [pytest.mark.root, pytest.mark.peers("knotd", "named", "unbound", "dig", *namespaces.PROGRAMS)]


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet(RESOLVER) as made:
        yield made


class Watch:
    """A running `watch --json`; its lines come when it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.leaks: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        lines = [json.loads(line) for line in out.splitlines()]
        self.leaks, self.summary = [line for line in lines if line["event"] == "leak"], lines[-1]
        assert self.summary["event"] == "summary"


@contextmanager
def watching(net: Internet, *words: str) -> Iterator[Watch]:
    command = [sys.executable, "-m", "blackhole_guard", "watch", "--json", *words]
    process = subprocess.Popen(
        net.host.command(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    try:
        assert process.stderr is not None
        assert "watching" in process.stderr.readline()  # frames are in the ring from here on
        yield Watch(process)
    finally:
        stop(process)


def ask_all(resolver: Peer, count: int) -> None:
    for number in range(count):
        name = dns.reversename.from_address(f"10.{number}.0.3")
        resolver.ask(dns.message.make_query(name, "PTR"), seconds=20)


@pytest.fixture(params=["bind", "unbound"])
def resolver(request, net) -> Iterator[Peer]:
    hints = net.root.directory / "hints"
    hints.write_text(ROOT_HINTS)
    if request.param == "bind":
        config, options = (
            f'zone "." {{ type hint; file "{hints}"; }};\n',
            "empty-zones-enable no; dnssec-validation no;",
        )
        with bind(config, options=options, host=net.host, address=RESOLVER, port=53) as peer:
            yield peer
    else:
        config = f'server:\n  root-hints: {hints}\n  local-zone: "10.in-addr.arpa." nodefault\n'
        with unbound(config, host=net.host, address=RESOLVER, port=53) as peer:
            yield peer


def test_it_sees_each_query_that_the_blackholes_get_and_each_response(net, resolver):
    net.leaks.clear()
    with watching(net) as watch:
        ask_all(resolver, 50)
        ask_all(resolver, 50)  # from the resolver's cache: no leaks
        watch.end()
    seen = Counter((leak["server"], leak["name"], leak["qtype"]) for leak in watch.leaks)
    assert seen == Counter(net.leaks)
    hosts = [leak for leak in watch.leaks if leak["shape"] == "host"]
    assert {leak["address"] for leak in hosts} == {f"10.{number}.0.3" for number in range(50)}
    rows = watch.summary["blocks"]
    assert {(row["sink"], row["block"]) for row in rows} == {("as112", "10.0.0.0/8")}
    assert sum(row["leaks"] for row in rows) == len(hosts)
    assert sum(row["minimised"] for row in rows) == len(watch.leaks) - len(hosts)
    assert sum(row["answered"] for row in rows) == len(watch.leaks)
    assert all(0 < row["median_seconds"] < row["waited_seconds"] for row in rows)
    assert watch.summary["drops"] == 0


def test_it_sees_queries_and_updates_over_udp_and_tcp_on_the_interface_it_was_told(net):
    net.leaks.clear()
    with watching(net, "lo") as watch:
        for server in AS112:
            for words in ((), ("+tcp",)):
                net.host.run(program("dig"), f"@{server}", "-x", "192.168.1.7", *words, "+tries=1", "+time=5")
        update = dns.message.make_query("168.192.in-addr.arpa.", "SOA")
        update.set_opcode(5)
        with net.host.socket() as sock:
            sock.sendto(update.to_wire(), (AS112[0], 53))
        watch.end()
    shapes = Counter(leak["shape"] for leak in watch.leaks)
    assert shapes == {"host": 2 * len(AS112), "update": 1}
    assert Counter(leak["server"] for leak in watch.leaks if leak["shape"] == "host") == dict.fromkeys(AS112, 2)
    assert {leak["sink"] for leak in watch.leaks} == {"as112", "as112-dname"}
    assert watch.summary["counts"]["responses"] >= 2 * len(AS112)


def test_people_get_ten_lines_a_second_and_nothing_that_a_name_could_do_to_their_terminal(net):
    command = [sys.executable, "-m", "blackhole_guard", "watch", "--count", "400"]
    process = subprocess.Popen(
        net.host.command(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        assert process.stderr is not None
        process.stderr.readline()
        with net.host.socket() as sock:
            for number in range(400):
                name = dns.name.Name((b"\x1b[2J\n\x9b%d" % number, b"10", b"in-addr", b"arpa", b""))
                sock.sendto(dns.message.make_query(name, "PTR", id=number).to_wire(), (AS112[1], 53))
        out, _ = process.communicate(timeout=30)
    finally:
        stop(process)
    assert process.returncode == 1
    lines = out.splitlines()
    assert all(octet == 0x0A or 0x20 <= octet < 0x7F for octet in out)
    shown = [line for line in lines if b" junk PTR \\027[2j\\010\\155" in line]
    suppressed = [int(line[1:].split()[0]) for line in lines if b"suppressed" in line]
    assert 10 <= len(shown) < 400
    assert len(shown) + sum(suppressed) == 400


def test_an_interface_that_goes_down_ends_it(net):
    command = [sys.executable, "-m", "blackhole_guard", "watch", "lo"]
    process = subprocess.Popen(net.host.command(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        process.stderr.readline()
        net.host.run(program("ip"), "link", "set", "lo", "down")
        _, said = process.communicate(timeout=30)
    finally:
        stop(process)
    assert (process.returncode, said) == (1, "lo: Network is down\n")


def test_it_needs_no_more_than_one_capability(net):
    words = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all,+net_raw",
        "--ambient-caps=-all,+net_raw",
    ]
    watch = [sys.executable, "-m", "blackhole_guard", "watch", "--seconds", "0.2"]
    net.host.run(program("setpriv"), *words, "--bounding-set=-all,+net_raw", *watch)
    done = subprocess.run(
        net.host.command([program("setpriv"), "--bounding-set=-all", "--inh-caps=-all", *watch]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "CAP_NET_RAW" in done.stderr
