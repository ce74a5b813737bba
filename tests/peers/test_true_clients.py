"""Whom the tops name when an application asks a resolver: the application where the resolver tells and is listed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.query
import dns.reversename
import namespaces
import pytest
from namespaces import Namespace, namespace
from peer_processes import Peer
from peer_servers import dnsmasq, guard, unbound
from supervised import children_of
from supervisors import wait_until

from blackhole_guard.leaks.tops import Tops, TopsReport
from blackhole_guard.leaks.windows import Window

RESOLVER, APPLICATION, OTHER = "10.0.0.53", "10.0.0.77", "10.0.0.78"
UNMAPPED = "10.9.9.9"
OURS = "127.0.0.1"  # which the resolvers ask, from the same address

UNBOUND = """
server:
    do-not-query-localhost: no
    local-zone: "10.in-addr.arpa." nodefault
    qname-minimisation: no
    module-config: "subnetcache iterator"
    send-client-subnet: 127.0.0.1
    client-subnet-always-forward: yes
    max-client-subnet-ipv4: {bits}
stub-zone:
    name: "10.in-addr.arpa."
    stub-addr: 127.0.0.1@5300
"""
DNSMASQ = "rev-server=10.0.0.0/8,127.0.0.1#5300\nadd-subnet={bits},128\n"

pytestmark = [pytest.mark.root, pytest.mark.peers("unbound", "dnsmasq", *namespaces.PROGRAMS)]


@pytest.fixture
def net() -> Iterator[Namespace]:
    with namespace([RESOLVER, APPLICATION, OTHER]) as made:
        yield made


@contextmanager
def ours(net: Namespace, *trusted: str) -> Iterator[Peer]:
    settings = {"server": {"trusted_resolvers": list(trusted)}}
    with guard({"ten.yaml": "zone: 10.0.0.0/8\n"}, settings=settings, host=net, port=5300, metrics=9353) as peer:
        yield peer


def ask_from(net: Namespace, client: str, address: str) -> None:
    """Look an address up at the resolver, as a stub resolver on that client does."""
    query = dns.message.make_query(dns.reversename.from_address(address), "PTR")
    with net.socket() as sock:
        sock.bind((client, 0))
        sock.setblocking(False)
        reply = dns.query.udp(query, RESOLVER, timeout=20, sock=sock)
    assert reply.rcode() == dns.rcode.NXDOMAIN


def read_tops(peer: Peer, total: int) -> TopsReport:
    """Have the observer keep what it has, once workers have told it, and read that."""
    state = peer.directory / "state" / "tops"

    def find() -> bool:
        observer = children_of(peer.process.pid).get("guard-observer")
        if observer is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile, as it was told to before
                os.kill(observer, signal.SIGTERM)
        if state.exists():
            tops = Tops()
            tops.load(state.read_bytes(), time.time())
            found.append(tops.report(Window.MINUTES, time.time()))
        return bool(found) and found[-1].total >= total

    found: list[TopsReport] = []
    time.sleep(1.5)  # what a worker has counted is with the observer after a second
    wait_until(find, 20)
    return found[-1]


def clients(report: TopsReport) -> list[tuple[str | None, int]]:
    return [(top.client, top.count) for top in report.clients]


RESOLVERS = pytest.mark.parametrize(
    ("resolver", "config"), [(unbound, UNBOUND), (dnsmasq, DNSMASQ)], ids=["unbound", "dnsmasq"]
)


@RESOLVERS
def test_behind_a_listed_resolver_it_is_the_application(net, resolver, config):
    with ours(net, "127.0.0.0/8") as peer, resolver(config.format(bits=32), host=net, address=RESOLVER, port=53):
        ask_from(net, APPLICATION, UNMAPPED)
        ask_from(net, OTHER, "10.9.9.8")
        report = read_tops(peer, 2)
    assert clients(report) == [(APPLICATION, 1), (OTHER, 1)]
    assert [(top.client, top.address) for top in report.pairs] == [(APPLICATION, UNMAPPED), (OTHER, "10.9.9.8")]


@RESOLVERS
def test_where_it_tells_the_network_alone_it_is_that(net, resolver, config):
    with ours(net, OURS) as peer, resolver(config.format(bits=24), host=net, address=RESOLVER, port=53):
        ask_from(net, APPLICATION, UNMAPPED)
        report = read_tops(peer, 1)
    assert clients(report) == [("10.0.0.0/24", 1)]


@RESOLVERS
def test_behind_one_that_is_not_listed_it_is_the_resolver(net, resolver, config):
    with ours(net, "10.0.0.53") as peer, resolver(config.format(bits=32), host=net, address=RESOLVER, port=53):
        ask_from(net, APPLICATION, UNMAPPED)
        report = read_tops(peer, 1)
    assert clients(report) == [(OURS, 1)]
