"""dnstap of real resolvers that leak: what we count is what the blackholes got, and whose it was.

The resolvers run as in `test_sidecar`, without their protection. A unix socket is the same in all network namespaces,
so the receiver runs in the test itself, or in a server of ours in the namespace.
"""

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import dns.message
import dns.name
import dns.query
import dns.reversename
import metrics_page
import namespaces
import pytest
from namespaces import Namespace
from neighbour_stanzas import stanzas
from peer_processes import Peer, scratch
from peer_programs import ROOT
from peer_servers import bind, guard, unbound
from receiving import receiving, wait_until
from stand_in_internet import ROOT_HINTS, Internet, internet

from blackhole_guard.app.dnstap import Dnstap
from blackhole_guard.app.leak_keeper import LeakKeeper
from blackhole_guard.app.leak_sockets import Listening
from blackhole_guard.app.own_servers import OwnServers
from blackhole_guard.leaks.evidence import Certainty
from blackhole_guard.server.stream_sockets import open_stream_socket
from blackhole_guard.telemetry.logs import open_log

RESOLVER, CLIENTS, PUBLIC = "10.0.0.53", ("10.0.0.5", "10.0.0.6"), "198.41.1.53"
ASKED = ("10.0.0.3", "10.9.9.9", "172.16.5.5", "192.168.1.1")

pytestmark = [pytest.mark.root, pytest.mark.peers("knotd", "named", "unbound", *namespaces.PROGRAMS)]


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet(RESOLVER, PUBLIC, *CLIENTS) as made:
        yield made


class Watch:
    """What receives, and what keeps."""

    def __init__(self, dnstap: Dnstap, keeper: LeakKeeper) -> None:
        self.receiver, self.read, self.observed = dnstap.receiver, dnstap.read, keeper.observed


@contextmanager
def watching(own_servers: OwnServers | None = None) -> Iterator[tuple[str, Watch]]:
    """A receiver: the path of its socket, and what it sees."""
    with scratch("dnstap") as directory, (directory / "log").open("w") as stream:
        path = str(directory / "d.sock")
        with contextlib.closing(open_stream_socket(path, "socket", user=None, group=None)) as listener:
            log = open_log("text", "info", stream)
            keeper = LeakKeeper(str(directory), "addresses", log)
            listening = Listening(listener, frozenset((os.geteuid(),)), 16)
            dnstap = Dnstap(listening, own_servers or OwnServers((), ()), keeper, log)
            with receiving(dnstap.receiver):
                yield path, Watch(dnstap, keeper)


def stanza(heading: str, path: str) -> str:
    """What docs/dnstap.md says, with another socket."""
    return stanzas(heading, ROOT / "docs" / "dnstap.md")[0].replace("/run/blackhole-guard/dnstap.sock", path)


def hints(net: Internet) -> str:
    path = net.root.directory / "hints"
    path.write_text(ROOT_HINTS)
    return str(path)


@contextmanager
def leaking_bind(net: Internet, path: str) -> Iterator[Peer]:
    config = f'{stanza("BIND", path)}zone "." {{ type hint; file "{hints(net)}"; }};\n'
    options = "empty-zones-enable no; dnssec-validation no;"
    with bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


@contextmanager
def leaking_unbound(net: Internet, path: str) -> Iterator[Peer]:
    blocks = ("10", "168.192", *(f"{octet}.172" for octet in range(16, 32)))
    zones = "".join(f'  local-zone: "{block}.in-addr.arpa." nodefault\n' for block in blocks)
    config = f"server:\n  root-hints: {hints(net)}\n{zones}{stanza('Unbound', path)}"
    with unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
        yield resolver


LEAKING = pytest.mark.parametrize("leaking", [leaking_bind, leaking_unbound], ids=["BIND", "Unbound"])


def look_up(host: Namespace, client: str, address: str) -> None:
    """Ask the resolver from a client's address."""
    query = dns.message.make_query(dns.reversename.from_address(address), "PTR")
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((client, 0))
        sock.settimeout(20)
        sock.connect((RESOLVER, 53))
        sock.setblocking(False)
        dns.query.udp(query, RESOLVER, timeout=20, port=53, sock=sock)


def at_the_blackholes(net: Internet) -> Counter[tuple[str, str]]:
    return Counter((dns.name.from_text(leak.qname).to_text().lower(), leak.address) for leak in net.leaks)


def told(watch: Watch) -> int:
    return sum(watch.observed.leaks.values()) + sum(watch.observed.partial.values())


@pytest.mark.parametrize(("own", "likely"), [((), 1), ((PUBLIC,), 0)])
def test_what_is_forwarded_to_a_public_server_is_a_likely_leak_unless_it_is_the_operators(net, own, likely):
    upstream = f'server:\n  root-hints: {hints(net)}\n  local-zone: "10.in-addr.arpa." nodefault\n'
    with watching(OwnServers(own, ())) as (path, watch):
        options = f"empty-zones-enable no; dnssec-validation no; forward only; forwarders {{ {PUBLIC}; }};"
        with (
            unbound(upstream, host=net.host, address=PUBLIC, port=53),
            bind(stanza("BIND", path), options=options, host=net.host, address=RESOLVER, port=53),
        ):
            wait_until(lambda: watch.receiver.producers == 1, 15)
            look_up(net.host, CLIENTS[0], "10.0.0.3")
            wait_until(lambda: dict(watch.read()["dnstap_frames_total"])[("resolver_response",)] >= 1, 15)
            wait_until(lambda: told(watch) == likely, 15)
            recent = list(watch.observed.recent)
    assert [leak.certainty for leak in recent] == [Certainty.LIKELY] * likely
    assert {leak.client for leak in recent} <= {ip_address(CLIENTS[0]).packed}
    assert {leak.server for leak in recent} <= {ip_address(PUBLIC).packed}


def test_a_server_of_ours_shows_it_in_its_metrics(net):
    settings = {"leaks": {"dnstap": {"socket": "d.sock"}}}
    with guard({}, settings=settings, host=net.host, port=5300, metrics=metrics_page.PORT) as server:
        path = server.directory / "d.sock"
        observed = {
            *{("block", "10.0.0.0/8"), ("sink", "as112"), ("shape", "host")},
            *{("via", "dnstap"), ("certainty", "observed")},
        }
        assert metrics_page.samples(net.host, "leaks_observed_total")[frozenset(observed)] == 0
        with leaking_bind(net, str(path)):
            wait_until(lambda: metrics_page.samples(net.host, "dnstap_producers") == {frozenset(): 1.0}, 15)
            look_up(net.host, CLIENTS[0], "10.0.0.3")
            whole = sum(leak.qname == "3.0.0.10.in-addr.arpa." and leak.qtype == "PTR" for leak in net.leaks)
            assert whole
            wait_until(lambda: metrics_page.samples(net.host, "leaks_observed_total")[frozenset(observed)] == whole, 15)
            wait_until(lambda: sum(metrics_page.samples(net.host, "leak_responses_total").values()) == whole, 15)
            frames = metrics_page.samples(net.host, "dnstap_frames_total")
            assert frames[frozenset({("type", "client_query")})] >= 1
