"""Every zone of the IANA registry, served out of the box: over UDP and TCP, IPv4 and IPv6.

The zones come from `registry.csv`, a copy of the registry that the package does not read.
"""

import asyncio
import random
from collections import Counter

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.update
import pytest
from peer_servers import guard
from questions import NS, PTR, SOA, TXT, A, Question, labels_of
from reverse_data import read_registry
from single_questions import ask_each, numbered

ZONES = [f"{row['zone']}." for row in read_registry()]
EXTRAS = ["empty.as112.arpa.", "0.f.f.f.3.ip6.arpa."]
ADDRESSES = ["127.0.0.1", "::1"]
CHANCE = random.Random(6303)
LOOPBACK6 = "1." + "0." * 31 + "ip6.arpa."


def test_the_copy_of_the_registry_is_whole():
    kinds = Counter(
        "v4" if zone.endswith("in-addr.arpa.") else "v6" if zone.endswith("ip6.arpa.") else "name" for zone in ZONES
    )
    assert kinds == {"v4": 89, "v6": 8, "name": 3} and len(set(ZONES)) == 100


@pytest.fixture(scope="module", params=ADDRESSES)
def server(request):
    with guard({}, address=request.param) as peer:
        yield peer.address, peer.port


def ask(server, messages: list[bytes], *, tcp: bool) -> list[dns.message.Message]:
    responses = asyncio.run(ask_each(server, numbered(messages), tcp=tcp, seconds=5.0))
    assert None not in responses, f"{responses.count(None)} of {len(messages)} without a response"
    return [dns.message.from_wire(octets) for octets in responses]


def query(name: str, qtype: int) -> bytes:
    return Question("registry", labels_of(name), qtype).octets(0)


def records(section) -> list[str]:
    return sorted(
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
        for rrset in section
        for rdata in rrset
    )


def soa_of(zone: str) -> str:
    """RFC 6303 section 3: the SOA that it recommends."""
    return f"{zone} 10800 SOA {zone} nobody.invalid. 1 3600 1200 604800 10800"


def check(zone: str, message: dns.message.Message, rcode: int, answer: list[str], authority: list[str]) -> None:
    assert message.rcode() == rcode, zone
    assert message.flags & (dns.flags.AA | dns.flags.RA | dns.flags.TC) == dns.flags.AA, zone
    assert (records(message.answer), records(message.authority), records(message.additional)) == (
        answer,
        authority,
        [],
    ), zone


@pytest.mark.parametrize("tcp", [False, True])
class TestEachZone:
    def test_has_its_soa(self, server, tcp):
        for zone, message in zip(
            ZONES + EXTRAS, ask(server, [query(zone, SOA) for zone in ZONES + EXTRAS], tcp=tcp), strict=True
        ):
            check(zone, message, dns.rcode.NOERROR, [soa_of(zone)], [])

    def test_has_itself_as_name_server(self, server, tcp):
        for zone, message in zip(
            ZONES + EXTRAS, ask(server, [query(zone, NS) for zone in ZONES + EXTRAS], tcp=tcp), strict=True
        ):
            check(zone, message, dns.rcode.NOERROR, [f"{zone} 10800 NS {zone}"], [])

    def test_has_nothing_else_at_its_apex(self, server, tcp):
        for zone, message in zip(ZONES, ask(server, [query(zone, TXT) for zone in ZONES], tcp=tcp), strict=True):
            check(zone, message, dns.rcode.NOERROR, [], [soa_of(zone)])

    def test_has_no_name_below(self, server, tcp):
        names = [random_name_below(zone) for zone in ZONES]
        for zone, message in zip(ZONES, ask(server, [query(name, PTR) for name in names], tcp=tcp), strict=True):
            check(zone, message, dns.rcode.NXDOMAIN, [], [soa_of(zone)])

    def test_refuses_an_update(self, server, tcp):
        for zone, message in zip(ZONES, ask(server, [update(zone) for zone in ZONES], tcp=tcp), strict=True):
            assert (message.opcode(), message.rcode()) == (dns.opcode.UPDATE, dns.rcode.REFUSED), zone

    def test_has_localhost_alone_of_all_names(self, server, tcp):
        names = ["1.0.0.127.in-addr.arpa.", LOOPBACK6, "2.0.0.127.in-addr.arpa.", "2" + LOOPBACK6[1:]]
        four, six, other, outside = ask(server, [query(name, PTR) for name in names], tcp=tcp)
        check("127.0.0.1", four, dns.rcode.NOERROR, [f"{names[0]} {four.answer[0].ttl} PTR localhost."], [])
        check("::1", six, dns.rcode.NOERROR, [f"{LOOPBACK6} {six.answer[0].ttl} PTR localhost."], [])
        check("127.0.0.2", other, dns.rcode.NXDOMAIN, [], [soa_of("127.in-addr.arpa.")])
        assert outside.rcode() == dns.rcode.REFUSED  # ::2 is in no zone of the registry

    @pytest.mark.parametrize("name", ["_dns.resolver.arpa.", "x._dns.resolver.arpa.", "a.b._DNS.resolver.arpa."])
    def test_has_no_data_where_resolvers_are_discovered(self, server, tcp, name):
        """RFC 9462 section 6.4: NODATA, not NXDOMAIN."""
        for message in ask(server, [query(name, qtype) for qtype in (64, A, PTR)], tcp=tcp):
            check(name, message, dns.rcode.NOERROR, [], [soa_of("resolver.arpa.")])

    def test_is_all_that_there_is(self, server, tcp):
        names = [
            "in-addr.arpa.",
            "ip6.arpa.",
            "arpa.",
            "1.1.1.1.in-addr.arpa.",
            "32.172.in-addr.arpa.",
            "c.f.ip6.arpa.",
            "c.e.f.ip6.arpa.",
            "example.com.",
            "255.in-addr.arpa.",
            "63.100.in-addr.arpa.",
        ]
        for message in ask(server, [query(name, SOA) for name in names], tcp=tcp):
            assert message.rcode() == dns.rcode.REFUSED and not message.flags & dns.flags.AA, message


def random_name_below(zone: str) -> str:
    """A name that an address could have, or a label where there is no room for one."""
    if zone.endswith("in-addr.arpa."):
        missing = 6 - zone.count(".")
        return ".".join(str(CHANCE.randrange(2, 255)) for _ in range(missing or 1)) + f".{zone}"
    if zone.endswith("ip6.arpa."):
        missing = 34 - zone.count(".")
        return ".".join(f"{CHANCE.randrange(16):x}" for _ in range(missing or 1)) + f".{zone}"
    return f"host{CHANCE.randrange(10**6)}.{zone}"


def update(zone: str) -> bytes:
    """What a DHCP server or a Windows client sends: replace the PTR of an address."""
    message = dns.update.UpdateMessage(zone)
    message.replace(random_name_below(zone), 1200, "PTR", "pc.example.com.")
    return message.to_wire()


def test_one_zone_is_switched_off_alone():
    with guard({"off.yaml": "zone: 192.168.0.0/16\nserve: false\n"}) as peer:
        responses = ask((peer.address, peer.port), [query(zone, SOA) for zone in ZONES], tcp=False)
    refused = [zone for zone, message in zip(ZONES, responses, strict=True) if message.rcode() == dns.rcode.REFUSED]
    served = [zone for zone, message in zip(ZONES, responses, strict=True) if records(message.answer) == [soa_of(zone)]]
    assert refused == ["168.192.in-addr.arpa."] and len(served) == 99


def test_all_are_switched_off_together():
    with guard(
        {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n"}, settings={"reserved": {"serve": False}}
    ) as peer:
        responses = ask((peer.address, peer.port), [query(zone, SOA) for zone in ZONES], tcp=False)
    rcodes = {zone: message.rcode() for zone, message in zip(ZONES, responses, strict=True)}
    assert rcodes.pop("10.in-addr.arpa.") == dns.rcode.NOERROR
    assert set(rcodes.values()) == {dns.rcode.REFUSED}
