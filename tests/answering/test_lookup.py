import pytest
from memory_zones import MemoryZones, example_zones, rrset

from blackhole_guard.answering.answer import Answer, Outcome, Refusal
from blackhole_guard.answering.lookup import MAX_CNAMES, find_answer
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.wire.records import RRset

ZONES = example_zones()
LOOPBACK = "1." + "0." * 31 + "ip6.arpa"


def find(name: str, qtype: str, *, refer: bool = True, zones: MemoryZones = ZONES) -> Answer:
    number = RRType[qtype] if qtype in RRType.__members__ else int(qtype.removeprefix("TYPE"))
    return find_answer(zones, pack_name(name), number, refer=refer)


def show(rrsets: tuple[RRset, ...]) -> list[str]:
    """Owner and type of each RRset, without the tails that all of ours share."""
    return [
        f"{format_name(each.owner).removesuffix('in-addr.arpa.')} {RRType(each.rtype).name}".strip() for each in rrsets
    ]


@pytest.mark.parametrize(
    ("name", "qtype", "outcome", "answer", "authority"),
    [
        # 10.0.0.3 has a PTR
        ("3.0.0.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["3.0.0.10. PTR"], []),
        ("3.0.0.10.in-addr.arpa", "ANY", Outcome.ANSWER, ["3.0.0.10. PTR"], []),
        ("3.0.0.10.in-addr.arpa", "A", Outcome.NODATA, [], ["10. SOA"]),
        ("3.0.0.10.in-addr.arpa", "CNAME", Outcome.NODATA, [], ["10. SOA"]),
        ("3.0.0.10.in-addr.arpa", "DS", Outcome.NODATA, [], ["10. SOA"]),
        ("3.0.0.10.in-addr.arpa", "TYPE0", Outcome.NODATA, [], ["10. SOA"]),
        ("3.0.0.10.in-addr.arpa", "MAILB", Outcome.NODATA, [], ["10. SOA"]),
        ("3.0.0.10.in-addr.arpa", "TYPE65535", Outcome.NODATA, [], ["10. SOA"]),
        # RFC 2308 section 2.1
        ("9.0.0.10.in-addr.arpa", "PTR", Outcome.NXDOMAIN, [], ["10. SOA"]),
        ("9.0.0.10.in-addr.arpa", "ANY", Outcome.NXDOMAIN, [], ["10. SOA"]),
        ("1.3.0.0.10.in-addr.arpa", "PTR", Outcome.NXDOMAIN, [], ["10. SOA"]),
        # RFC 4592 section 2.2.2: empty non-terminals, above records, delegations and zones
        ("0.0.10.in-addr.arpa", "PTR", Outcome.NODATA, [], ["10. SOA"]),
        ("0.10.in-addr.arpa", "A", Outcome.NODATA, [], ["10. SOA"]),
        ("0.10.in-addr.arpa", "ANY", Outcome.NODATA, [], ["10. SOA"]),
        ("2.1.10.in-addr.arpa", "PTR", Outcome.NODATA, [], ["10. SOA"]),
        ("20.10.in-addr.arpa", "DS", Outcome.NODATA, [], ["10. SOA"]),
        # the apex
        ("10.in-addr.arpa", "SOA", Outcome.ANSWER, ["10. SOA"], []),
        ("10.in-addr.arpa", "NS", Outcome.ANSWER, ["10. NS"], []),
        ("10.in-addr.arpa", "ANY", Outcome.ANSWER, ["10. SOA"], []),
        ("10.in-addr.arpa", "PTR", Outcome.NODATA, [], ["10. SOA"]),
        (LOOPBACK, "PTR", Outcome.ANSWER, [f"{LOOPBACK}. PTR"], []),
        (LOOPBACK, "SOA", Outcome.ANSWER, [f"{LOOPBACK}. SOA"], []),
        (LOOPBACK, "ANY", Outcome.ANSWER, [f"{LOOPBACK}. PTR"], []),
        # a zone of its own within 10/8, and one below a delegation
        ("1.5.1.10.in-addr.arpa", "PTR", Outcome.NXDOMAIN, [], ["5.1.10. SOA"]),
        ("5.1.10.in-addr.arpa", "PTR", Outcome.NODATA, [], ["5.1.10. SOA"]),
        ("9.5.20.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["9.5.20.10. PTR"], []),
        # DS is the parent's, where the parent is ours and has the name (RFC 4035 section 3.1.4.1)
        ("5.1.10.in-addr.arpa", "DS", Outcome.NODATA, [], ["10. SOA"]),
        ("5.20.10.in-addr.arpa", "DS", Outcome.NODATA, [], ["5.20.10. SOA"]),
        ("10.in-addr.arpa", "DS", Outcome.NODATA, [], ["10. SOA"]),
        # delegations
        ("20.10.in-addr.arpa", "NS", Outcome.REFERRAL, [], ["20.10. NS"]),
        ("20.10.in-addr.arpa", "SOA", Outcome.REFERRAL, [], ["20.10. NS"]),
        ("1.0.20.10.in-addr.arpa", "PTR", Outcome.REFERRAL, [], ["20.10. NS"]),
        ("1.0.20.10.in-addr.arpa", "DS", Outcome.REFERRAL, [], ["20.10. NS"]),
        ("1.0.20.10.in-addr.arpa", "ANY", Outcome.REFERRAL, [], ["20.10. NS"]),
        # RFC 2317
        ("65.2.1.10.in-addr.arpa", "PTR", Outcome.REFERRAL, ["65.2.1.10. CNAME"], ["64/26.2.1.10. NS"]),
        ("65.2.1.10.in-addr.arpa", "A", Outcome.REFERRAL, ["65.2.1.10. CNAME"], ["64/26.2.1.10. NS"]),
        ("65.2.1.10.in-addr.arpa", "CNAME", Outcome.ANSWER, ["65.2.1.10. CNAME"], []),
        ("65.2.1.10.in-addr.arpa", "ANY", Outcome.ANSWER, ["65.2.1.10. CNAME"], []),
        ("65.64/26.2.1.10.in-addr.arpa", "PTR", Outcome.REFERRAL, [], ["64/26.2.1.10. NS"]),
        ("64/26.2.1.10.in-addr.arpa", "DS", Outcome.NODATA, [], ["10. SOA"]),
        # other CNAMEs
        ("1.9.9.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["1.9.9.10. CNAME", "3.0.0.10. PTR"], []),
        ("1.9.9.10.in-addr.arpa", "TXT", Outcome.NODATA, ["1.9.9.10. CNAME"], ["10. SOA"]),
        ("2.9.9.10.in-addr.arpa", "PTR", Outcome.NXDOMAIN, ["2.9.9.10. CNAME"], ["10. SOA"]),  # RFC 6604 section 3
        ("3.9.9.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["3.9.9.10. CNAME"], []),
        ("4.9.9.10.in-addr.arpa", "PTR", Outcome.NODATA, ["4.9.9.10. CNAME"], ["10. SOA"]),
        ("6.9.9.10.in-addr.arpa", "PTR", Outcome.REFERRAL, ["6.9.9.10. CNAME"], ["20.10. NS"]),
        # RFC 9462 section 6.4
        ("_dns.resolver.arpa", "SVCB", Outcome.NODATA, [], ["resolver.arpa. SOA"]),
        ("a._dns.resolver.arpa", "A", Outcome.NODATA, [], ["resolver.arpa. SOA"]),
        ("x_dns.resolver.arpa", "A", Outcome.NXDOMAIN, [], ["resolver.arpa. SOA"]),
        ("host.home.arpa", "A", Outcome.NXDOMAIN, [], ["home.arpa. SOA"]),
    ],
)
def test_a_query_ends_in_the_outcome_of_rfc_1034(name, qtype, outcome, answer, authority):
    found = find(name, qtype)
    assert found.outcome is outcome
    assert show(found.sections.answer) == answer
    assert show(found.sections.authority) == authority
    # Authoritative is what we say of the first owner name: not of a name below a delegation.
    assert found.authoritative is (outcome is not Outcome.REFERRAL or bool(answer))


@pytest.mark.parametrize(
    "name", ["www.example.org", "arpa", "in-addr.arpa", ".", "11.in-addr.arpa", "210.in-addr.arpa"]
)
@pytest.mark.parametrize("refer", [True, False])
def test_what_is_in_no_zone_of_ours_is_refused(name, refer):
    assert find(name, "PTR", refer=refer) == Answer(Outcome.REFUSED, refusal=Refusal.OUTSIDE)


@pytest.mark.parametrize(
    ("name", "qtype", "outcome", "answer"),
    [
        ("1.0.20.10.in-addr.arpa", "PTR", Outcome.REFUSED, []),
        ("20.10.in-addr.arpa", "NS", Outcome.REFUSED, []),
        ("65.64/26.2.1.10.in-addr.arpa", "PTR", Outcome.REFUSED, []),
        ("20.10.in-addr.arpa", "DS", Outcome.NODATA, []),  # that is ours
        ("65.2.1.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["65.2.1.10. CNAME"]),  # and so is the CNAME
        ("6.9.9.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["6.9.9.10. CNAME"]),
        ("9.5.20.10.in-addr.arpa", "PTR", Outcome.ANSWER, ["9.5.20.10. PTR"]),
        ("9.0.0.10.in-addr.arpa", "PTR", Outcome.NXDOMAIN, []),
    ],
)
def test_who_cannot_follow_a_referral_gets_none(name, qtype, outcome, answer):
    found = find(name, qtype, refer=False)
    assert found.outcome is outcome
    assert show(found.sections.answer) == answer
    assert found.refusal is (Refusal.DELEGATED if outcome is Outcome.REFUSED else None)
    assert found.authoritative is (outcome is not Outcome.REFUSED)


def test_a_referral_brings_all_glue_that_was_given():
    assert find("1.20.10.in-addr.arpa", "PTR").sections.additional == (rrset("ad1.corp.example.com", "A 10.20.0.10"),)
    assert len(find("1.30.10.in-addr.arpa", "PTR").sections.additional) == 18
    assert find("65.2.1.10.in-addr.arpa", "PTR").sections.additional == ()


def test_a_negative_answer_has_the_smaller_ttl():
    assert [each.ttl for each in find("9.0.0.10.in-addr.arpa", "PTR").sections.authority] == [300]
    assert [each.ttl for each in find("5.1.10.in-addr.arpa", "DS").sections.authority] == [300]
    assert [each.ttl for each in find("10.in-addr.arpa", "SOA").sections.answer] == [3600]


def test_a_loop_of_cnames_ends():
    found = find("5.9.9.10.in-addr.arpa", "PTR")
    assert (found.outcome, len(found.sections.answer)) == (Outcome.ANSWER, MAX_CNAMES)


@pytest.mark.parametrize("links", [1, MAX_CNAMES - 1, MAX_CNAMES, MAX_CNAMES + 1])
def test_a_chain_of_cnames_is_followed_so_far_and_no_further(links):
    zones = MemoryZones()
    zones.add_zone("10.in-addr.arpa", "10.0.0.0/8")
    for link in range(links):
        zones.add(rrset(f"{link}.10.in-addr.arpa", f"CNAME {link + 1}.10.IN-ADDR.arpa."))
    zones.add(rrset(f"{links}.10.in-addr.arpa", "PTR end.example.com."))
    found = show(find("0.10.in-addr.arpa", "PTR", zones=zones).sections.answer)
    assert len(found) == min(links + 1, MAX_CNAMES)
    assert found[-1].endswith("PTR") is (links < MAX_CNAMES)


def test_any_gets_what_there_is_where_there_is_nothing_that_people_look_for():
    zones = MemoryZones()
    zones.add_zone("home.arpa", "home.arpa")
    zones.add(rrset("x.home.arpa", "TXT first"))
    zones.add(rrset("x.home.arpa", "A 10.0.0.1"))
    assert show(find("x.home.arpa", "ANY", zones=zones).sections.answer) == ["x.home.arpa. TXT"]


def test_the_zone_and_the_cut_are_those_of_the_name_that_was_asked_for():
    assert find("65.2.1.10.in-addr.arpa", "PTR").cut is None
    below = find("65.64/26.2.1.10.in-addr.arpa", "PTR", refer=False)
    assert below.cut is not None
    assert below.cut.owner == pack_name("64/26.2.1.10.in-addr.arpa")
    ds = find("5.1.10.in-addr.arpa", "DS")
    assert ds.zone is not None
    assert ds.zone.apex == pack_name("5.1.10.in-addr.arpa")
    assert find("20.10.in-addr.arpa", "DS").cut is not None
