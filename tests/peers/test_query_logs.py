"""Query logs that the real programs write about the same look-ups: what we read of each."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import namespaces
import pytest
from peer_processes import Peer, responds, running, scratch
from peer_programs import program
from peer_servers import dnsmasq, unbound
from stand_in_internet import Internet, internet
from test_dnstap import CLIENTS, PUBLIC, RESOLVER, hints, look_up

from blackhole_guard.leaks.evidence import Certainty, Leak
from blackhole_guard.leaks.log_files import LogCounts, read_blocks, read_log
from blackhole_guard.reserved.shapes import Shape

pytestmark = [pytest.mark.root, pytest.mark.peers("knotd", "named", "unbound", "dnsmasq", *namespaces.PROGRAMS)]


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet(RESOLVER, PUBLIC, *CLIENTS) as made:
        yield made


def ask(net: Internet) -> None:
    """One name, asked for by two clients: the second answer comes out of the cache."""
    net.leaks.clear()
    for client in CLIENTS:
        look_up(net.host, client, "10.0.0.3")


def read(path: Path) -> tuple[Counter[Certainty], list[Leak]]:
    """How much there is of what, parts of addresses left out; and all leaks."""
    leaks: list[Leak] = []
    with path.open("rb") as log:
        read_log(read_blocks(log.read), lambda: path.stat().st_mtime, leaks.append, LogCounts())
    return Counter(leak.certainty for leak in leaks if leak.shape is not Shape.PARTIAL), leaks


def clients_of(leaks: list[Leak], certainty: Certainty) -> list[str]:
    found = [leak.client for leak in leaks if leak.certainty is certainty and leak.shape is not Shape.PARTIAL]
    return [str(ip_address(client)) for client in found if client is not None]


@contextmanager
def named(net: Internet, directory: Path, logging: str) -> Iterator[Peer]:
    """BIND in the background of a terminal, as a service runs it: its log goes where it is told."""
    (directory / "named.conf").write_text(
        f'options {{ directory "{directory}"; pid-file none; session-keyfile "{directory}/session.key";'
        f" listen-on {{ {RESOLVER}; }}; listen-on-v6 {{ none; }}; recursion yes; allow-query {{ any; }};"
        " allow-recursion { any; }; empty-zones-enable no; dnssec-validation no; querylog yes; };"
        f'controls {{ }}; view inside {{ zone "." {{ type hint; file "{hints(net)}"; }}; }};'
        f"logging {{ {logging} }};"
    )
    words = [program("named"), "-f", "-d", "11", "-n", "1", "-c", str(directory / "named.conf")]
    with running(words, directory, name="named", ready=responds, host=net.host, address=RESOLVER, port=53) as peer:
        yield peer


@pytest.mark.parametrize("style", ["yes", "iso8601", "iso8601-utc"])
def test_bind(net, style):
    channel = (
        f'channel all {{ file "queries.log"; print-time {style}; print-category yes; print-severity yes;'
        " severity dynamic; }; category default { all; }; category queries { all; }; category client { all; };"
        " category resolver { all; }; category security { all; };"
    )
    began = time.time()
    with scratch("named") as directory:
        with named(net, directory, channel):
            ask(net)
        counted, leaks = read(directory / "queries.log")
    sent = sum(leak.qname == "3.0.0.10.in-addr.arpa." and leak.qtype == "PTR" for leak in net.leaks)
    # The leak line comes for the cached answer, too; besides, the log shows each packet to a blackhole.
    assert counted == {Certainty.POSSIBLE: 2, Certainty.OBSERVED: 2 + sent}
    assert clients_of(leaks, Certainty.POSSIBLE) == list(CLIENTS)
    assert all(began - 1 <= leak.at <= time.time() + 1 for leak in leaks)
    assert {leak.client for leak in leaks if leak.server and leak.shape is not Shape.PARTIAL} == {
        ip_address(CLIENTS[0]).packed
    }
    sent_to = {str(ip_address(leak.server)) for leak in leaks if leak.server is not None}
    assert sent_to == {leak.address for leak in net.leaks if not leak.qname.startswith(("blackhole", "."))}


@pytest.mark.parametrize("tags", ["yes", "no"])
@pytest.mark.parametrize("ascii_time", ["yes", "no"])
@pytest.mark.parametrize("replies", ["yes", "no"])
@pytest.mark.parametrize("verbosity", [1, 2, 3])
def test_unbound(net, verbosity, replies, ascii_time, tags):
    config = (
        f'server:\n  root-hints: {hints(net)}\n  local-zone: "10.in-addr.arpa." nodefault\n  verbosity: {verbosity}\n'
        f"  log-replies: {replies}\n  log-tag-queryreply: {tags}\n  log-time-ascii: {ascii_time}\n"
    )
    began = time.time()
    with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
        ask(net)
        counted, leaks = read(resolver.directory / "log")
    assert counted[Certainty.POSSIBLE] == 2
    assert clients_of(leaks, Certainty.POSSIBLE) == list(CLIENTS)
    sent = sum(leak.qname == "3.0.0.10.in-addr.arpa." for leak in net.leaks)
    assert counted[Certainty.OBSERVED] == {1: 0, 2: 1, 3: sent}[verbosity]
    assert set(clients_of(leaks, Certainty.OBSERVED)) <= {CLIENTS[0]}
    assert all(began - 2 <= leak.at <= time.time() + 1 for leak in leaks)


@pytest.mark.parametrize("more", ["", "log-queries=extra"])
def test_dnsmasq(net, more):
    upstream = f'server:\n  root-hints: {hints(net)}\n  local-zone: "10.in-addr.arpa." nodefault\n'
    with (
        unbound(upstream, host=net.host, address=PUBLIC, port=53),
        dnsmasq(f"server={PUBLIC}\n", queries=more or "log-queries", host=net.host, address=RESOLVER, port=53) as own,
    ):
        ask(net)
        counted, leaks = read(own.directory / "log")
    assert counted == {Certainty.LIKELY: 1}  # the second client's answer was cached, and the log says so
    assert clients_of(leaks, Certainty.LIKELY) == [CLIENTS[0]]
    assert {str(ip_address(leak.server)) for leak in leaks if leak.server} == {PUBLIC}
