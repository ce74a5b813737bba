"""What an operator may expect of the ledger of averted leaks: a row per expectation."""

import dns.name
import dns.update
import pytest
from memory_zones import STRANGER, Asker, make_query

from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.reserved.shapes import Shape

V6 = ".".join("0" * 28)  # the nibbles between d.f and the last two
# The doctor's, which come through resolvers or from another machine; `tests/reserved` has what makes them so.
PROBE, PROBE_HOME = "112535012345678901.9.9.9.10.in-addr.arpa", "112535012345678901.home.arpa"
PROBE_V6 = ".".join(reversed("fd000000000000c0b1ac401e01125350")) + ".ip6.arpa"


@pytest.mark.parametrize(
    ("name", "qtype", "rd", "entry"),  # the entry is block, sink, shape, outcome; None: there is none
    [
        ("3.0.0.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "host", "answered")),
        ("3.0.0.10.IN-ADDR.ARPA", "PTR", True, ("10.0.0.0/8", "as112", "host", "answered")),
        ("3.0.0.10.in-addr.arpa", "TXT", True, ("10.0.0.0/8", "as112", "other", "nodata")),
        ("9.9.9.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "host", "nxdomain")),
        ("0.0.0.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "network", "nxdomain")),
        ("9.9.20.10.in-addr.arpa", "PTR", False, ("10.0.0.0/8", "as112", "host", "referral")),
        ("9.9.20.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "host", "refused")),
        ("65.2.1.10.in-addr.arpa", "PTR", False, ("10.0.0.0/8", "as112", "host", "referral")),
        ("65.2.1.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "host", "answered")),
        ("9.5.20.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "host", "answered")),
        ("lb._dns-sd._udp.0.0.0.10.in-addr.arpa", "PTR", True, ("10.0.0.0/8", "as112", "dns-sd", "nxdomain")),
        ("x.10.in-addr.arpa", "A", True, ("10.0.0.0/8", "as112", "junk", "nxdomain")),
        ("9.9.9.10.in-addr.arpa", "SOA", True, ("10.0.0.0/8", "as112", "soa-hunt", "nxdomain")),
        ("10.in-addr.arpa", "SOA", True, ("10.0.0.0/8", "as112", "soa-hunt", "answered")),
        ("1.0." + V6 + ".d.f.ip6.arpa", "PTR", True, ("fd00::/8", "arpa", "host", "nxdomain")),
        ("1." + "0." * 31 + "ip6.arpa", "PTR", True, ("::1/128", "arpa", "host", "answered")),
        ("tv.home.arpa", "AAAA", True, ("home.arpa", "as112", "other", "nxdomain")),
        ("_dns.resolver.arpa", "SVCB", True, ("resolver.arpa", "arpa", "other", "nodata")),
        ("1.10.in-addr.arpa", "A", True, None),  # PARTIAL
        ("4.4.8.8.in-addr.arpa", "PTR", True, None),  # a public zone
        ("www.example.org", "A", True, None),  # no zone of ours
        ("10.in-addr.arpa", "AXFR", True, None),  # a transfer is asked of a server, never of a resolver
        ("10.in-addr.arpa", "IXFR", True, None),
        ("3.0.0.10.in-addr.arpa", "TSIG", True, None),  # a format error
        (PROBE, "PTR", True, None),
        (PROBE, "SOA", False, None),
        (PROBE_V6, "PTR", True, None),
        (PROBE_HOME, "PTR", True, None),
    ],
)
def test_the_ledger_has_one_entry_for_each_leak_that_was_averted(name, qtype, rd, entry):
    asker = Asker()
    asker.ask(make_query(name, qtype, rd=rd), tcp=True)
    assert asker.counts("leaks_averted") == ({} if entry is None else {entry: 1})


@pytest.mark.parametrize("rclass", ["CH", "HS", "NONE", "ANY"])
def test_other_classes_are_not_in_the_ledger(rclass):
    asker = Asker()
    asker.ask(make_query("3.0.0.10.in-addr.arpa", rclass=rclass))
    assert asker.counts("leaks_averted") == {}


def test_what_strangers_ask_is_not_in_the_ledger():
    asker = Asker()
    asker.ask(make_query("3.0.0.10.in-addr.arpa"), source=STRANGER)
    asker.ask(_update("10.in-addr.arpa"), source=STRANGER)
    counts = asker.tally.take()
    assert {key[0] for key in counts} == {"queries", "refused"}
    assert counts["refused", "client"] == 2


def _update(zone: str) -> dns.update.UpdateMessage:
    update = dns.update.UpdateMessage(zone)
    update.add(dns.name.from_text("5"), 3600, "PTR", "host.example.com.")
    return update


@pytest.mark.parametrize(
    ("zone", "result", "entry"),
    [
        ("10.in-addr.arpa", "refused", ("10.0.0.0/8", "as112", "update", "refused")),
        ("0.0.10.in-addr.arpa", "refused", ("10.0.0.0/8", "as112", "update", "refused")),
        ("home.arpa", "refused", ("home.arpa", "as112", "update", "refused")),
        ("8.8.in-addr.arpa", "refused", None),  # a public zone
        ("20.10.in-addr.arpa", "notauth", None),  # somebody else's
        ("example.org", "notauth", None),
    ],
)
def test_updates_are_counted_and_entered(zone, result, entry):
    asker = Asker()
    asker.ask(_update(zone))
    counts = asker.tally.take()
    assert counts["updates", result] == 1
    assert {key[1:]: n for key, n in counts.items() if key[0] == "leaks_averted"} == (
        {} if entry is None else {entry: 1}
    )


@pytest.mark.parametrize(
    ("name", "qtype", "block"),
    [
        ("9.9.9.10.in-addr.arpa", "PTR", "10.0.0.0/8"),
        ("0.9.9.10.in-addr.arpa", "PTR", "10.0.0.0/8"),
        ("2.9.9.10.in-addr.arpa", "PTR", "10.0.0.0/8"),  # a CNAME to nowhere
        ("9.5.8.8.in-addr.arpa", "PTR", "public"),
        ("1.0." + V6 + ".d.f.ip6.arpa", "PTR", "fd00::/8"),
        ("3.0.0.10.in-addr.arpa", "PTR", None),
        ("9.9.9.10.in-addr.arpa", "A", None),
        ("9.9.10.in-addr.arpa", "PTR", None),
        ("x.9.9.10.in-addr.arpa", "PTR", None),
        ("9.9.20.10.in-addr.arpa", "PTR", None),
        ("9.home.arpa", "PTR", None),
        (PROBE_V6, "PTR", None),
    ],
)
def test_an_unmapped_address_is_one_of_ours_without_a_ptr(name, qtype, block):
    asker = Asker()
    asker.ask(make_query(name, qtype))
    assert asker.counts("unmapped_queries") == ({} if block is None else {(block,): 1})


def test_the_ledger_knows_no_partial_names():
    shapes = {values[2] for family in FAMILIES if family.name == "leaks_averted" for values in family.series}
    assert shapes == {shape.value for shape in Shape} - {"partial"}


@pytest.mark.parametrize(
    ("name", "qtype", "entry"),
    [
        ("7.10.in-addr.arpa", "A", ("10.0.0.0/8", "as112")),
        ("9.7.10.in-addr.arpa", "PTR", ("10.0.0.0/8", "as112")),
        ("9.d.f.ip6.arpa", "NS", ("fd00::/8", "arpa")),
        ("0.10.in-addr.arpa", "A", None),  # it exists: the search goes on, and its end is in the ledger
        ("10.in-addr.arpa", "A", None),
        ("9.9.9.10.in-addr.arpa", "PTR", None),
        ("7.8.in-addr.arpa", "A", None),  # no zone of ours
    ],
)
def test_a_search_that_ends_at_a_name_in_between_is_counted_apart(name, qtype, entry):
    asker = Asker()
    asker.ask(make_query(name, qtype))
    assert asker.counts("searches_ended") == ({} if entry is None else {entry: 1})
