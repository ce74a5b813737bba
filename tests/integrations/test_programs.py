"""All programs: each name that must be in the lines is there once, and no other."""

import re
from collections import Counter
from ipaddress import ip_network

import pytest
from plans import HERE, Served, whole_plan

from blackhole_guard.integrations.configuration import Configuration
from blackhole_guard.integrations.plan import make_plan
from blackhole_guard.integrations.programs import PROGRAMS
from blackhole_guard.reserved.addresses import apexes
from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import format_name

LOOKS_UP_NAMES = ("bind", "unbound")
# What Debian's BIND has primary zones for.
DEBIANS = ("0.in-addr.arpa", "127.in-addr.arpa", "255.255.255.255.in-addr.arpa")
NO_CLASSLESS = ("dnsmasq", "coredns", "resolved")

REGISTRY = make_plan([Served(zone.apex, format_name(zone.apex)) for zone in ZONES], [], [HERE])


def names(program: str, configuration: Configuration) -> Counter[str]:
    """The names for which the lines say whom to ask."""
    text = "".join(piece.text for piece in configuration.pieces)
    if program == "bind":
        return Counter(re.findall(r'^zone "(.*?)"', text, re.MULTILINE))
    if program == "unbound":
        return Counter(name.rstrip(".") for name in re.findall(r'^    name: "(.*?)"', text, re.MULTILINE))
    if program == "dnsmasq":
        blocks = set(re.findall(r"^rev-server=(.*?),", text, re.MULTILINE))
        reverse = [format_name(apex).rstrip(".") for block in blocks for apex in apexes(ip_network(block))]
        return Counter([*reverse, *set(re.findall(r"^server=/(.*?)/", text, re.MULTILINE))])
    if program == "knot-resolver":
        rules = re.findall(r"policy\.STUB\(.*?\), policy\.todnames\(\{(.*?)\}", text, re.DOTALL)
        return Counter(name for rule in rules for name in re.findall(r"'(.*?)'", rule))
    if program == "pdns-recursor":
        return Counter(re.findall(r"^(.*arpa)=", text, re.MULTILINE))
    if program == "coredns":
        return Counter(name for line in re.findall(r"^(\S.*) \{$", text, re.MULTILINE) for name in line.split())
    return Counter(re.findall(r"^Domains=~(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("program", PROGRAMS)
def test_with_all_of_the_registry_each_zone_is_there_once_and_nothing_else(program):
    expected = Counter(format_name(zone.apex).rstrip(".") for zone in ZONES)
    expected.subtract(DEBIANS if program == "bind" else ())
    assert names(program, PROGRAMS[program](REGISTRY)) == +expected


@pytest.mark.parametrize("program", PROGRAMS)
def test_with_delegations_each_route_that_can_be_is_there_once(program):
    routes = [
        route.text
        for route in whole_plan().routes
        if (route.servers or program in LOOKS_UP_NAMES) and not (route.is_classless and program in NO_CLASSLESS)
    ]
    assert names(program, PROGRAMS[program](whole_plan())) == Counter(routes)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_piece_says_where_it_goes_and_ends_its_last_line(program):
    for piece in PROGRAMS[program](REGISTRY).pieces:
        assert piece.file and piece.text.endswith("\n") and piece.text.isascii()


@pytest.mark.parametrize("program", PROGRAMS)
def test_notes_have_hints(program):
    assert all(note.what and note.hint for note in PROGRAMS[program](whole_plan()).notes)
