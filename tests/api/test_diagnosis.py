"""What the doctor found, as a document; tests/cli/test_doctor.py has it from whole examinations."""

import pytest
from known_facts import NOW, validate
from msgspec import json

from blackhole_guard.api.diagnosis import find_exit_code, make_diagnosis, point_to_integrate
from blackhole_guard.api.resources import ROOT
from blackhole_guard.leaks.doctor import Examined, Finding
from blackhole_guard.leaks.signatures import Kind
from blackhole_guard.leaks.verdicts import UNKNOWN, Verdict
from blackhole_guard.reserved.registry import ZONES


def examined(*verdicts, **fields):
    found = [
        Finding(zone, each, "", None, (), None, None, is_known=each not in UNKNOWN, may_be_ours=False)
        for zone, each in zip(ZONES, verdicts, strict=False)
    ]
    return Examined(found, **fields)


GOOD = examined(Verdict.OURS, Verdict.LOCAL)
BAD = examined(Verdict.OURS, Verdict.LEAKS, Verdict.LEAKS, Verdict.HIJACKED)
DARK = examined(Verdict.TIMEOUT)


@pytest.mark.parametrize(
    ("found", "code"),
    [([], 0), ([GOOD], 0), ([GOOD, DARK], 3), ([GOOD, DARK, BAD], 1), ([examined(Verdict.REFUSED)], 3)],
)
def test_a_leak_comes_first_and_then_what_could_not_be_seen(found, code):
    assert find_exit_code(found) == code


def test_blocks_that_are_sick_are_named_once():
    assert GOOD.sick_blocks == ()
    assert BAD.sick_blocks == tuple(dict.fromkeys(zone.block for zone in ZONES[1:4]))


def test_it_is_a_document_of_the_api():
    found = [("192.0.2.1:53", BAD), ("[2001:db8::1]:53\x1b", examined(Verdict.TIMEOUT, silence="no answer"))]
    document = json.decode(json.encode(make_diagnosis(found, point_to_integrate, NOW)))
    validate(document, f"{ROOT}/doctor")
    first, second = document["resolvers"]
    assert first["cure"].startswith("blackhole-guard integrate bind|unbound|dnsmasq|")
    assert (second["resolver"], second["silence"], second["cure"]) == (r"[2001:db8::1]:53\027", "no answer", None)


@pytest.mark.parametrize("kind", Kind)
def test_there_is_a_way_on_for_each_program(kind):
    assert "blackhole-guard " in point_to_integrate(kind, (), "192.0.2.1")[0]
