"""Whom the tops name when an application asks a resolver: the application where the resolver tells and is listed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

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

TELLS, TELLS_NETWORKS, NOT_LISTED = "10.0.0.53", "10.0.0.54", "10.0.0.55"  # resolvers
APPLICATION, OTHER = "10.0.0.77", "10.0.0.78"
LISTED = "127.0.0.1"  # from which the first two of them ask

UNBOUND = """
server:
    do-not-query-localhost: no
    local-zone: "10.in-addr.arpa." nodefault
    qname-minimisation: no
    module-config: "subnetcache iterator"
    send-client-subnet: 127.0.0.1
    client-subnet-always-forward: yes
    max-client-subnet-ipv4: {bits}
    outgoing-interface: {source}
stub-zone:
    name: "10.in-addr.arpa."
    stub-addr: 127.0.0.1@5300
"""
DNSMASQ = "rev-server=10.0.0.0/8,127.0.0.1#5300@{source}\nadd-subnet={bits},128\n"

pytestmark = [pytest.mark.root, pytest.mark.peers("unbound", "dnsmasq", *namespaces.PROGRAMS)]


@pytest.fixture
def net() -> Iterator[Namespace]:
    with namespace([TELLS, TELLS_NETWORKS, NOT_LISTED, APPLICATION, OTHER]) as made:
        yield made


@contextmanager
def ours(net: Namespace) -> Iterator[Peer]:
    settings = {"server": {"trusted_resolvers": ["127.0.0.0/8"]}}
    with guard({"ten.yaml": "zone: 10.0.0.0/8\n"}, settings=settings, host=net, port=5300, metrics=9353) as peer:
        yield peer


def ask_from(net: Namespace, client: str, resolver: str, address: str) -> None:
    """Look an address up at a resolver, as a stub resolver on that client does."""
    query = dns.message.make_query(dns.reversename.from_address(address), "PTR")
    with net.socket() as sock:
        sock.bind((client, 0))
        sock.setblocking(False)
        reply = dns.query.udp(query, resolver, timeout=20, sock=sock)
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


@pytest.mark.parametrize(("resolver", "config"), [(unbound, UNBOUND), (dnsmasq, DNSMASQ)], ids=["unbound", "dnsmasq"])
def test_it_is_the_application_or_its_network_where_a_listed_resolver_says_so_and_else_the_resolver(
    net, resolver, config
):
    def run(address: str, bits: int, source: str) -> AbstractContextManager[Peer]:
        return resolver(config.format(bits=bits, source=source), host=net, address=address, port=53)

    asked = [
        *((APPLICATION, TELLS, "10.9.9.9"), (OTHER, TELLS, "10.9.9.8")),
        *((APPLICATION, TELLS_NETWORKS, "10.9.9.7"), (APPLICATION, NOT_LISTED, "10.9.9.6")),
    ]
    with (
        ours(net) as peer,
        run(TELLS, 32, LISTED),
        run(TELLS_NETWORKS, 24, LISTED),
        run(NOT_LISTED, 32, NOT_LISTED),
    ):
        for client, address, unmapped in asked:
            ask_from(net, client, address, unmapped)
        report = read_tops(peer, len(asked))
    named = {"10.9.9.9": APPLICATION, "10.9.9.8": OTHER, "10.9.9.7": "10.0.0.0/24", "10.9.9.6": NOT_LISTED}
    assert {top.address: (top.client, top.count) for top in report.pairs} == {
        address: (client, 1) for address, client in named.items()
    }
    assert {top.client: top.count for top in report.clients} == dict.fromkeys(named.values(), 1)
