"""Resolvers that leak in a stand-in internet: each kind of evidence says so, and after the cure none does.

Packets, dnstap and query logs are held against what the blackholes got, look-up by look-up; answers out of a cache, the
doctor's probes, and what a resolver that minimises names asks on its way are no leaks. The cure is what `integrate`
prints, and what the doctor prints for the program that it finds.
"""

import json
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import dns.message
import dns.query
import dns.reversename
import namespaces
import pytest
from debian_bind import LEFT_TO_BIND
from leaking_resolvers import (
    ALL_ZONES,
    FOLLOWS_CNAMES,
    RESOLVED_OWN,
    Run,
    bind_that_forwards,
    bind_without_empty_zones,
    dnsmasq_that_forwards,
    knot_resolver_that_forwards,
    knot_resolver_without_special_names,
    pdns_recursor_without_rfc1918,
    resolved_with_a_link,
    unbound_without_local_zones,
)
from peer_processes import Peer, stop
from peer_resolvers import account_files, make_home
from receiving import wait_until
from reserved_space import ZONES as PUBLIC_ZONES
from sidecars import ADDRESSES, ALL, CLASSLESS, RESOLVER, RESOLVER_SIX, UPSTREAM, check_all, integrate, ours
from stand_in_internet import AS112, Internet, Leak, internet
from test_dnstap import stanza, told
from test_dnstap import watching as receiving_dnstap
from test_doctor import SINKS, examine, verdicts_of
from test_query_logs import clients_of, read

from blackhole_guard.leaks.evidence import Certainty, EvidenceError
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.names import format_name, pack_name

CLIENTS = ("10.0.0.5", "10.0.0.6")
# One or more in each zone that is delegated to AS112 and holds addresses: a hundred, so that one in a hundred is one.
BLOCKS = {
    "10.0.0.0/8": [f"10.{number}.7.3" for number in range(70)],
    "172.16.0.0/12": [f"172.{number}.5.5" for number in range(16, 32)],
    "192.168.0.0/16": [f"192.168.{number}.1" for number in range(7)],
    "169.254.0.0/16": [f"169.254.{number}.9" for number in range(7)],
}
ASKED = {address: block for block, addresses in BLOCKS.items() for address in addresses}
ADDRESSES_OF = {dns.reversename.from_address(address).to_text(): address for address in ASKED}
RFC1918 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

pytestmark = [
    pytest.mark.root,
    pytest.mark.peers(
        *("knotd", "nsd", "named", "unbound", "dnsmasq", "kresd", "pdns_recursor", "systemd-resolved"),
        *("systemd-networkd", *namespaces.PROGRAMS),
    ),
]


@dataclass(frozen=True)
class Case:
    """A resolver, and what can be seen of it."""

    program: str  # as `integrate` and the doctor call it
    run: Run
    line: str  # of the cure that the doctor prints
    senders: frozenset[str] = frozenset((RESOLVER, RESOLVER_SIX))  # whose packets the blackholes get
    keeps: Sequence[str] = ()  # zones that it answers by itself, whatever it is told
    refuses: Sequence[str] = ()  # zones that it asks nobody for, unless it is told whom
    dnstap: str = ""  # the stanza of docs/dnstap.md
    log: Certainty | None = None  # what its query log proves of what it sent
    log_blocks: Sequence[str] = tuple(BLOCKS)  # of which it proves that
    log_more: str = ""  # what makes it write one

    def asked(self) -> dict[str, str]:
        """What it is asked for that leaks: address -> block."""
        names = {address: dns.reversename.from_address(address).to_text() for address in ASKED}
        return {address: block for address, block in ASKED.items() if not names[address].endswith(self.refuses)}

    def options(self, path: str) -> str:
        """Further options: dnstap to a socket, and a query log."""
        text = stanza(self.dnstap, path) if self.dnstap else ""
        return text.removeprefix("options {").removesuffix("};\n") + self.log_more


FORWARDED = frozenset((UPSTREAM,))
BIND_ZONE = 'zone "10.in-addr.arpa" { type forward; forward only;'
CASES = {
    "bind, empty-zones-enable no": Case(
        *("bind", bind_without_empty_zones, BIND_ZONE),
        keeps=LEFT_TO_BIND,
        dnstap="BIND",
        log=Certainty.OBSERVED,
        log_blocks=RFC1918,
        log_more="querylog yes;",
    ),
    "bind, forward only": Case(
        *("bind", bind_that_forwards, BIND_ZONE, FORWARDED),
        keeps=LEFT_TO_BIND,
        dnstap="BIND",
        log=Certainty.OBSERVED,
        log_blocks=RFC1918,
        log_more="querylog yes;",
    ),
    "unbound": Case(
        *("unbound", unbound_without_local_zones, 'local-zone: "10.in-addr.arpa." nodefault'),
        dnstap="Unbound",
        log=Certainty.OBSERVED,
        log_more="server:\n  verbosity: 3\n  hide-version: yes\n",
    ),
    "dnsmasq": Case("dnsmasq", dnsmasq_that_forwards, "rev-server=10.0.0.0/8,", FORWARDED, log=Certainty.LIKELY),
    "knot-resolver": Case("knot-resolver", knot_resolver_without_special_names, "policy.add(policy.suffix("),
    "knot-resolver, policy.all": Case(
        *("knot-resolver", knot_resolver_that_forwards, "policy.add(policy.suffix(", FORWARDED)
    ),
    "pdns-recursor": Case("pdns-recursor", pdns_recursor_without_rfc1918, "forward-zones"),
    "resolved": Case(
        *("resolved", resolved_with_a_link, "Domains=~", FORWARDED),
        keeps=RESOLVED_OWN,
        refuses=("254.169.in-addr.arpa.", *(f"{nibble}.e.f.ip6.arpa." for nibble in "89ab")),
        log=Certainty.LIKELY,
    ),
}


class Packets:
    """`watch`, which runs beside all resolvers, one after the other."""

    def __init__(self, net: Internet, lines: Iterable[str]) -> None:
        self._net = net
        self._leaks: list[dict[str, Any]] = []
        self._read = 0
        self._marks = 0
        self._thread = threading.Thread(target=self._follow, args=(lines,), name="watch")
        self._thread.start()
        self.summary: dict[str, Any] = {}

    def _follow(self, lines: Iterable[str]) -> None:
        for line in lines:
            event = json.loads(line)
            if event["event"] == "leak":
                self._leaks.append(event)
            else:
                self.summary = event

    def end(self) -> None:
        self._thread.join()

    def take(self) -> list[dict[str, Any]]:
        """What passed since the last time. Queries of our own, which are not among it, say that all was seen."""
        self._marks += 1
        name = dns.reversename.from_address(f"169.254.255.{self._marks}")
        for address in AS112:  # each has a queue of its own
            with self._net.host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
                sock.sendto(dns.message.make_query(name, "PTR").to_wire(), (address, 53))
        mark = name.to_text()
        wait_until(lambda: sum(leak["name"] == mark for leak in self._leaks[self._read :]) == len(AS112), 20)
        taken = self._leaks[self._read :]
        self._read += len(taken)
        # That they got there is no leak of a resolver's.
        wait_until(lambda: sum(leak.qname == mark for leak in self._net.leaks) == len(AS112), 20)
        self._net.leaks[:] = [leak for leak in self._net.leaks if leak.qname != mark]
        return [leak for leak in taken if leak["name"] != mark]


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet(*ADDRESSES, *CLIENTS, files=account_files(), zones=PUBLIC_ZONES) as made:
        make_home(made.host)
        yield made


@pytest.fixture(scope="module")
def peer(net: Internet) -> Iterator[Peer]:
    with ours(net) as made:
        yield made


@pytest.fixture(scope="module")
def packets(net: Internet) -> Iterator[Packets]:
    command = net.host.command([sys.executable, "-m", "blackhole_guard", "watch", "--json"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            assert "watching" in process.stderr.readline()  # frames are in the ring from here on
            made = Packets(net, process.stdout)
            yield made
        finally:
            stop(process)
        made.end()
    assert made.summary["drops"] == 0


def look_up_all(net: Internet, client: str) -> None:
    """Ask the resolver for all addresses, as an application on that client does."""
    with net.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((client, 0))
        sock.connect((RESOLVER, 53))
        sock.setblocking(False)
        for address in ASKED:
            query = dns.message.make_query(dns.reversename.from_address(address), "PTR")
            dns.query.udp(query, RESOLVER, timeout=20, sock=sock)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_leaks_is_reported_with_all_that_is_known_of_it_and_the_cure_ends_it(net, packets, peer, case):
    with receiving_dnstap() as (path, tap):
        more = case.options(path)
        with case.run(net, {}, False, more) as resolver:
            if case.dnstap:
                wait_until(lambda: tap.receiver.producers == 1, 15)
            packets.take()
            net.leaks.clear()
            look_up_all(net, CLIENTS[0])
            check_packets(net, packets.take(), case)
            look_up_all(net, CLIENTS[1])
            assert packets.take() == []  # out of the resolver's cache
            check_dnstap(net, tap, case)
            check_log(net, resolver, case)
            check_doctor(net, packets, resolver, tap, case)
        before = leaks_of(tap)
        lines = integrate(peer, case.program)
        with case.run(net, lines, False, more) as resolver:
            if case.dnstap:
                wait_until(lambda: tap.receiver.producers == 1, 15)
            net.leaks.clear()
            check_all(net, resolver, *ALL, *([CLASSLESS] if case.program in FOLLOWS_CNAMES else []))
            look_up_all(net, CLIENTS[0])
            code, found = examine(net, RESOLVER, "--config", str(peer.directory / "config.yaml"))
            assert (code, found["program"], found["cure"]) == (0, case.program, None)
            assert verdicts_of(found) == expected(case.keeps, "ours")
            assert [each["right"] for each in found["mapped"]] == [True] * 3
            assert (net.leaks, packets.take()) == ([], [])
            assert set(read_what_it_logs(resolver, case)[0]) <= {Certainty.POSSIBLE}
        assert leaks_of(tap) == before


def expected(own: Sequence[str], otherwise: str) -> dict[str, tuple[str, str | None]]:
    return dict.fromkeys(ALL_ZONES, (otherwise, None)) | dict.fromkeys(own, ("local", None))


def check_packets(net: Internet, seen: list[dict[str, Any]], case: Case) -> None:
    """Each packet to a blackhole is seen, and everything that it tells."""
    assert agree(
        Counter((leak["server"], leak["name"], leak["qtype"]) for leak in seen),
        Counter((leak.address, leak.qname.lower(), leak.qtype) for leak in net.leaks),
    )
    assert {leak["sender"] for leak in seen} <= case.senders
    assert {(leak["sink"], leak["certainty"]) for leak in seen} == {("as112", "observed")}
    assert {leak["address"]: leak["block"] for leak in seen if leak["shape"] == "host"} == case.asked()


def check_dnstap(net: Internet, tap: Any, case: Case) -> None:
    """The same of a resolver that tells; and on whose behalf, which no packet says."""
    if not case.dnstap:
        return
    forwards = UPSTREAM in case.senders  # then what minimises is behind it
    number = len(net.leaks) if not forwards else len(forwarded(net))
    # All that clients asked was told, too: what came out of the cache is no leak.
    wait_until(lambda: dict(tap.read()["dnstap_frames_total"])["client_query",] >= len(CLIENTS) * len(ASKED), 15)
    wait_until(lambda: abs(told(tap) - number) <= number // 100, 15)
    hosts = [leak for leak in tap.observed.recent if leak.shape is Shape.HOST]
    assert agree(
        Counter((str(ip_address(leak.server)), str(ip_address(leak.address))) for leak in hosts),
        Counter((UPSTREAM, address) for address in forwarded(net))
        if forwards
        else Counter((leak.address, ADDRESSES_OF[leak.qname]) for leak in hosts_at_the_blackholes(net)),
    )
    assert {leak.certainty for leak in hosts} == {Certainty.LIKELY if forwards else Certainty.OBSERVED}
    assert {(leak.block, leak.sink) for leak in hosts} == {(block, "as112") for block in case.asked().values()}
    assert {str(ip_address(leak.client)) for leak in hosts} == {CLIENTS[0]}
    responses = sum(each.number for each in tap.observed.responses.values())
    assert abs(responses - tap.observed.total) <= number // 100  # minimised names are no leaks


def check_log(net: Internet, resolver: Peer, case: Case) -> None:
    """The query log says who asked, or where it went, or both."""
    counted, leaks = read_what_it_logs(resolver, case)
    if case.program in ("bind", "unbound"):
        assert counted[Certainty.POSSIBLE] == len(CLIENTS) * len(ASKED)
        assert set(clients_of(leaks, Certainty.POSSIBLE)) == set(CLIENTS)
    if case.log is None:
        return
    sent = [leak for leak in leaks if leak.certainty is case.log and leak.shape is Shape.HOST]
    asked = {address: block for address, block in case.asked().items() if block in case.log_blocks}
    assert {str(ip_address(leak.address)): leak.block for leak in sent} == asked
    if case.program != "bind":  # BIND's line comes for each response, from the cache, too
        arrived = len(forwarded(net) if UPSTREAM in case.senders else hosts_at_the_blackholes(net))
        if case.program == "resolved":  # what it sends again, without EDNS after an NXDOMAIN, is one in its log
            arrived = len(set(forwarded(net)))
        assert abs(len(sent) - arrived) <= len(ASKED) // 100


def read_what_it_logs(resolver: Peer, case: Case) -> tuple[Counter[Certainty], list[Leak]]:
    """How much its log has of what; nothing, where the program logs no queries in a form that is known."""
    if case.log is None and case.program not in ("bind", "unbound"):
        with pytest.raises(EvidenceError, match="no line was understood"):
            read(resolver.directory / "log")
        return Counter(), []
    return read(resolver.directory / "log")


def check_doctor(net: Internet, packets: Packets, resolver: Peer, tap: Any, case: Case) -> None:
    """The doctor names the program, each zone and its sink, and what to change; nobody counts what it asked."""
    before = leaks_of(tap), read_what_it_logs(resolver, case)[0][case.log]
    code, found = examine(net, RESOLVER)
    leaking = {zone: ("leaks", SINKS[zone]) for zone in ALL_ZONES}
    kept = dict.fromkeys(case.keeps, ("local", None)) | dict.fromkeys(case.refuses, ("refused", None))
    assert (code, found["program"], verdicts_of(found)) == (1, case.program, leaking | kept)
    assert (found["ds_home_arpa"], found["validates"]) == ("parent", False)
    assert f"blackhole-guard integrate {case.program}" in found["cure"]
    assert case.line in found["cure"]
    assert any(is_probe(pack_name(leak.qname).lower()) for leak in net.leaks)
    assert {leak["shape"] for leak in packets.take()} <= {"partial"}
    assert (leaks_of(tap), read_what_it_logs(resolver, case)[0][case.log]) == before


def forwarded(net: Internet) -> list[str]:
    """The addresses whose PTRs the public resolver was asked for, as it logs each query; more may leave it."""
    assert net.upstream is not None
    queries = re.findall(r" info: \S+ (\S+) PTR IN$", net.upstream.log, re.MULTILINE)
    return [ADDRESSES_OF[qname.lower()] for qname in queries if qname.lower() in ADDRESSES_OF]


def hosts_at_the_blackholes(net: Internet) -> list[Leak]:
    """What they got for the PTRs that were asked for; names in lower case."""
    lower = [leak._replace(qname=leak.qname.lower()) for leak in net.leaks if leak.qtype == "PTR"]
    return [leak for leak in lower if leak.qname in ADDRESSES_OF]


def agree(counted: Counter[Any], blackholes: Counter[Any]) -> bool:
    """Whether two counts are of the same, but for one in a hundred."""
    return ((counted - blackholes) + (blackholes - counted)).total() <= blackholes.total() // 100


def leaks_of(tap: Any) -> list[str]:
    """What dnstap has of leaks, but for parts of names, in some order."""
    return sorted(f"{leak.shape} {format_name(leak.name)} {leak.qtype}" for leak in tap.observed.recent)
