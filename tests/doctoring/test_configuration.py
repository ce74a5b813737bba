"""What the doctor is told of our configuration."""

import pytest

from blackhole_guard.config.load import read_settings
from blackhole_guard.doctoring.configuration import SAMPLE, make_known
from blackhole_guard.leaks.verdicts import Known
from blackhole_guard.sources.load import load_sources
from blackhole_guard.wire.names import pack_name
from blackhole_guard.zones.build import build_zones

MAP = """
zone: 10.0.0.0/8
ns: [ns1.example.com]
soa: {rname: Admin@example.com}
ptr: {10.0.0.3: [web.example.com, WWW.example.com], 10.20.0.10: ad1.example.com}
delegate: {10.20.0.0/16: {ad1.corp.example.com: 10.20.0.10}}
"""


@pytest.fixture
def known(tmp_path):
    def known(text: str = "") -> Known:
        (tmp_path / "map.yaml").write_text(text)
        overrides = {"include": [str(tmp_path / "map.yaml")]} if text else {}
        settings, _ = read_settings(None, overrides)
        sources, _ = load_sources(None, settings, overrides)
        return make_known(build_zones(sources, settings)[0])

    return known


def test_without_a_configuration_ours_are_the_empty_zones_of_rfc_6303(known):
    found = known()
    apex = pack_name("10.in-addr.arpa")
    assert (apex, apex, pack_name("nobody.invalid")) in found.soas
    assert len(found.soas) == 102
    assert (found.mapped, tuple(found.delegated), found.serials) == ((), (), {})


def test_a_serial_that_a_map_gives_is_told(known):
    assert known("zone: 10.0.0.0/8\nsoa: {serial: 7}\n").serials == {pack_name("10.in-addr.arpa"): 7}


def test_a_map_tells_its_soa_its_delegations_and_a_sample_of_its_names(known):
    found = known(MAP)
    ten = (pack_name("10.in-addr.arpa"), pack_name("ns1.example.com"), pack_name("admin.example.com"))
    assert ten in found.soas
    assert [str(block) for block in found.delegated] == ["10.20.0.0/16"]
    names = frozenset(map(pack_name, ("web.example.com", "www.example.com")))
    assert (pack_name("3.0.0.10.in-addr.arpa"), names) in found.mapped


def test_the_sample_is_small_and_public_addresses_are_not_in_it(known):
    ptrs = "".join(f"  10.0.1.{octet}: host-{octet}.example.com\n" for octet in range(200))
    found = known(f"zone: 10.0.0.0/8\nptr:\n{ptrs}")
    assert len(found.mapped) == SAMPLE
    assert known("zone: 8.8.8.0/24\nallow_public: true\nptr: {8.8.8.8: dns.example.com}\n").mapped == ()
