"""The comparison by itself: what is equal, what a rule allows, what is found wrong."""

from dataclasses import replace

import dns.flags
import dns.message
import dns.rrset
import pytest
from response_rules import FIELDS, Rule, Verdicts, faults, read_rules, view


def response(*records: str, rcode: int = 0, flags: int = dns.flags.AA) -> bytes:
    query = dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR", id=7, use_edns=False)
    made = dns.message.make_response(query)
    made.flags |= flags
    made.set_rcode(rcode)
    made.answer = [dns.rrset.from_text("3.0.0.10.in-addr.arpa.", 60, "IN", "PTR", *records)] if records else []
    return made.to_wire()


def test_order_and_case_of_records_are_no_difference():
    one, other = view(response("a.example.", "b.example.")), view(response("B.example.", "a.EXAMPLE."))
    assert one.differences(other) == frozenset()


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        (response("b.example."), {"answer"}),
        (response(), {"answer"}),
        (response("a.example.", flags=0), {"aa"}),
        (response("a.example.", flags=dns.flags.AA | dns.flags.TC), {"tc"}),
        (response("a.example.", flags=dns.flags.AA | dns.flags.RA), {"flags"}),
        (response("a.example.", rcode=3), {"rcode"}),
    ],
)
def test_a_difference_is_named(other, fields):
    assert view(response("a.example.")).differences(view(other)) == fields


def enter(rules, ours, **peers):
    verdicts = Verdicts(tuple(rules))
    verdicts.enter("hit", "label", view(ours), {name: view(octets) for name, octets in peers.items()})
    return verdicts


def test_one_of_the_two_is_enough():
    right, wrong = response("a.example."), response("b.example.")
    assert enter([], right, knot=right, nsd=wrong).equal == {"knot": 1}
    assert enter([], right, knot=wrong, nsd=right).equal == {"nsd": 1}
    assert enter([], right, knot=right, nsd=right).equal == {"both": 1}


def test_a_field_from_each_of_the_two_is_not_enough():
    ours, knot, nsd = response("a.example."), response("b.example."), response("a.example.", rcode=3)
    assert len(enter([], ours, knot=knot, nsd=nsd).wrong) == 1


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule("hit", "answer", "0", ""), True),
        (Rule("hit", "answer", "*", ""), True),
        (Rule("hit", "answer", "1", ""), False),
        (Rule("miss", "answer", "0", ""), False),
        (Rule("hit", "authority", "0", ""), False),
    ],
)
def test_a_rule_is_for_one_kind_one_field_and_one_value(rule, allowed):
    verdicts = enter([rule], response(), knot=response("a.example."), nsd=response("b.example."))
    assert (verdicts.wrong == []) is allowed
    assert verdicts.used[rule] == allowed


def test_each_field_that_differs_needs_its_rule():
    ours, peer = response(rcode=5, flags=0), response("a.example.")
    rules = [Rule("hit", "rcode", "REFUSED", ""), Rule("hit", "aa", "clear", ""), Rule("hit", "answer", "0", "")]
    assert enter(rules, ours, knot=peer, nsd=peer).wrong == []
    for rule in rules:
        assert enter([other for other in rules if other is not rule], ours, knot=peer, nsd=peer).wrong


def test_the_document_has_rules_with_reasons():
    for rule in read_rules():
        assert rule.field in FIELDS and len(rule.reason) > 12, rule


QUERY = dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR", id=7, use_edns=False).to_wire()


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (response("a.example."), ""),
        (b"\0\x08" + response("a.example.")[2:], "ID"),
        (response("a.example.")[:2] + b"\x01" + response("a.example.")[3:], "QR"),
        (response("a.example.").replace(b"in-addr", b"IN-addr"), "echoed"),
    ],
)
def test_a_response_that_is_wrong_by_itself_is_found(octets, found):
    text = "; ".join(faults(QUERY, octets))
    assert found in text and bool(text) == bool(found)


def test_a_record_that_is_there_twice_is_found():
    octets = response("a.example.")
    record = octets[len(QUERY) :]
    twice = octets[:6] + b"\0\x02" + octets[8:] + record
    assert "twice" in "; ".join(faults(QUERY, twice))


def test_views_are_values():
    seen = view(response("a.example."))
    assert replace(seen, aa=False) != seen == view(response("A.example."))
