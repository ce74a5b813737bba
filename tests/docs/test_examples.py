"""config.example.yaml and zones/ against the code: newcomers copy from them, so each line must be true."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec
import pytest

import blackhole_guard
from blackhole_guard.config.load import read_settings
from blackhole_guard.config.settings import Settings
from blackhole_guard.sources.load import load_sources
from blackhole_guard.wire.names import format_name
from blackhole_guard.wire.values import read_value
from blackhole_guard.zones.build import build_zones

ROOT = Path(blackhole_guard.__file__).parent.parent
EXAMPLE = ROOT / "config.example.yaml"
ZONES = sorted((ROOT / "zones").glob("*.yaml"))
WITHOUT_DEFAULT = {"server.listen": ("127.0.0.1", "::1")}  # None, and this is what it means


def uncommented() -> str:
    """The example with each setting in force. Prose has one space behind its #, a setting none or its indentation."""
    return re.sub(r"^#(?=\S|  )", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def settings_of(value: msgspec.Struct, prefix: str = "") -> dict[str, object]:
    names: dict[str, object] = {}
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, msgspec.Struct):
            names |= settings_of(inner, f"{prefix}{name}.")
        else:
            names[f"{prefix}{name}"] = inner
    return names


def test_the_example_as_it_is_changes_nothing():
    assert read_settings(str(EXAMPLE)) == (Settings(), ())


def test_the_example_without_comment_signs_is_the_defaults(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(uncommented())
    settings, problems = read_settings(str(path))
    assert problems == ()
    assert load_sources(str(path), settings)[1] == ()
    assert settings_of(settings) == settings_of(Settings()) | WITHOUT_DEFAULT


def test_the_example_has_each_setting_once():
    written, path = [], list[str]()
    for line in uncommented().splitlines():
        match = re.match(r"( *)([a-z_]+):", line)
        if match:
            path[len(match[1]) // 2 :] = [match[2]]
            written.append(".".join(path))
    sections = {name.rpartition(".")[0] for name in settings_of(Settings())} - {""}
    assert [name for name in written if name not in sections] == [*settings_of(Settings()), "zones"]


@pytest.mark.parametrize("path", ZONES, ids=lambda path: path.name)
def test_an_example_loads_without_a_warning(path):
    settings, problems = read_settings(None, {"include": [str(path)]})
    sources, more = load_sources(None, settings, {"include": [str(path)]})
    assert (problems, more, sources.warnings) == ((), (), ())
    assert build_zones(sources, settings)[1] == ()
    assert [zone_map.place.file for zone_map in sources.maps] == [str(path)]


def test_the_examples_go_together_and_have_the_one_that_started_it_all():
    overrides = {"include": [str(ROOT / "zones" / "*.yaml")]}
    settings, _ = read_settings(None, overrides)
    sources, problems = load_sources(None, settings, overrides)
    assert (problems, sources.warnings) == ((), ())
    assert len(sources.maps) == len(ZONES)
    first = next(zone_map for zone_map in sources.maps if zone_map.block == ip_network("10.0.0.0/8"))
    assert list(first.ptr.addresses) == [ip_address("10.0.0.3").packed]
    (ptrs,) = (read_value(b"", value) for value in first.ptr.values)
    assert ([format_name(name) for name in ptrs.rdatas], ptrs.ttl) == (["web.example.com."], 14400)
    assert [format_name(name) for name in first.ns] == ["ns1.example.com."]
    soa = ("ns1.example.com.", "admin.example.com.", 2009012501, 28800, 604800, 604800, 86400)
    assert msgspec.structs.astuple(first.soa) == soa
    assert build_zones(sources, settings)[1] == ()
