"""`doctor` on real resolvers that need no internet: they answer by themselves, or hand on to a stand-in."""

import asyncio

import dns.message
import pytest
from peer_processes import Peer
from peer_servers import dnsmasq, guard, knot, unbound
from replies import PUBLIC_SOA, respond
from stand_in_resolvers import UNBOUND_SOA, Answer, resolver, with_soa

from blackhole_guard.cli.reading import read_all
from blackhole_guard.cli.settings_options import make_overrides
from blackhole_guard.doctoring.configuration import make_known
from blackhole_guard.doctoring.network import examine_all
from blackhole_guard.doctoring.resolvers import Resolver
from blackhole_guard.leaks.doctor import Examined, Finding
from blackhole_guard.leaks.verdicts import Known, Verdict
from blackhole_guard.reserved.registry import find_reserved_name
from blackhole_guard.wire.names import format_name, pack_name

NOBODY = Known(frozenset())
MAPS = {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n"}
TEN, HUNDRED = "10.in-addr.arpa.", "64.100.in-addr.arpa."  # dnsmasq's bogus-priv keeps the first


def examine(peer: Peer, known: Known = NOBODY) -> tuple[Examined, dict[str, Finding]]:
    (examined,) = asyncio.run(examine_all([Resolver(peer.address, peer.port)], known))
    return examined, {format_name(finding.zone.apex): finding for finding in examined.findings}


@pytest.mark.peers("unbound")
def test_unbound_that_answers_by_itself_in_each_of_its_ways():
    ways = {
        TEN: ("always_nodata", Verdict.LOCAL),
        "168.192.in-addr.arpa.": ("always_null", Verdict.LOCAL),
        "16.172.in-addr.arpa.": ("static", Verdict.LOCAL),
        "17.172.in-addr.arpa.": ("always_nxdomain", Verdict.LOCAL),
        "18.172.in-addr.arpa.": ("refuse", Verdict.REFUSED),
        "19.172.in-addr.arpa.": ("transparent", Verdict.LEAKS),
    }
    with resolver(with_soa(PUBLIC_SOA)) as upstream:
        config = "server:\n  do-not-query-localhost: no\n"
        config += "".join(f'  local-zone: "{zone}" {way}\n' for zone, (way, _) in ways.items())
        config += f'forward-zone:\n  name: "."\n  forward-addr: {upstream.address}@{upstream.port}\n'
        with unbound(config) as peer:
            _, found = examine(peer)
    assert {zone: found[zone].verdict for zone in ways} == {zone: verdict for zone, (_, verdict) in ways.items()}


def upstream_that_gives(hunted: Answer) -> Answer:
    """An upstream of dnsmasq's that gives this to who asks for an SOA, and no to all else."""

    def answer(query: bytes, over_tcp: bool) -> bytes | None:
        question = dns.message.from_wire(query).question[0]
        if question.rdtype == 6 and find_reserved_name(pack_name(str(question.name))) is not None:
            return hunted(query, over_tcp)
        return with_soa(UNBOUND_SOA)(query, over_tcp)

    return answer


def invent(query: bytes, over_tcp: bool) -> bytes:
    return respond(query, "NOERROR", answer=("SOA", "ns.isp.example. hm.isp.example. 1 2 3 4 5"))


@pytest.mark.peers("dnsmasq")
@pytest.mark.parametrize(
    ("hunted", "verdict", "types", "known"),
    [
        (invent, Verdict.HIJACKED, ("SOA",), True),
        (with_soa(PUBLIC_SOA), Verdict.LEAKS, ("SOA",), True),
        (lambda query, over_tcp: respond(query, "SERVFAIL"), Verdict.SERVFAIL, (), False),
    ],
    ids=["hijacked", "leaks", "servfail"],
)
def test_dnsmasq_with_bogus_priv_keeps_hosts_and_sends_searches_for_an_soa_on(hunted, verdict, types, known):
    with (
        resolver(upstream_that_gives(hunted)) as upstream,
        dnsmasq(f"bogus-priv\nserver={upstream.address}#{upstream.port}\n") as peer,
    ):
        examined, found = examine(peer)
    assert (found[TEN].verdict, found[TEN].leaking, examined.is_known) == (verdict, types, known)
    assert found[TEN].what.startswith("for SOA: ")
    assert "for PTR: no SOA, but AA: an answer of its own" in found[TEN].what
    assert found[HUNDRED].verdict is verdict


@pytest.mark.peers("knotd")
def test_empty_zones_as_rfc_6303_has_them_are_ours_where_something_proves_it():
    zone = "@ 10800 IN SOA @ nobody.invalid. 1 3600 1200 604800 10800\n@ 10800 IN NS @\n"  # RFC 6303 section 3
    with knot({TEN: zone}) as peer, guard({}) as empty, guard(MAPS) as mapped:
        without, with_maps = ours_of(empty), ours_of(mapped)
        _, another = examine(peer, with_maps)
        _, unproved = examine(empty, without)
        _, proved = examine(mapped, with_maps)
    assert another[TEN].verdict is Verdict.LOCAL
    assert {finding.verdict for finding in unproved.values()} == {Verdict.LOCAL}
    assert unproved[TEN].what == another[TEN].what == "an empty zone as RFC 6303 has it: ours, or another server's"
    assert {finding.verdict for finding in proved.values()} == {Verdict.OURS}
    assert proved[HUNDRED].what == "an empty zone as ours, where others are ours"


def ours_of(server: Peer) -> Known:
    return make_known(read_all(str(server.directory / "config.yaml"), make_overrides(include=())).zones)
