"""Maps as operators write them -> zones."""

from typing import NamedTuple

import pytest

from blackhole_guard.config.load import read_settings
from blackhole_guard.config.problems import Problem
from blackhole_guard.sources.load import load_sources
from blackhole_guard.wire.names import pack_name
from blackhole_guard.zones.build import build_zones
from blackhole_guard.zones.zone_set import ZoneSet


class Built(NamedTuple):
    zones: ZoneSet
    problems: tuple[Problem, ...]

    @property
    def said(self) -> list[str]:
        return [f"{'' if each.severity == 'error' else 'warning: '}{each.place}: {each.what}" for each in self.problems]

    def zone(self, apex: str):
        return self.zones.zones.get(pack_name(apex))

    def mapped(self) -> list[str]:
        return [zone.label for zone in self.zones.zones.values() if zone.mapped]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Write a.yaml, b.yaml, ... and build what they say; `config` is the settings file."""
    monkeypatch.chdir(tmp_path)

    def run(*maps: str, config: str = "") -> Built:
        names = [f"{letter}.yaml" for letter in "abcdef"[: len(maps)]]
        for name, text in zip(names, maps, strict=True):
            (tmp_path / name).write_text(text)
        (tmp_path / "config.yaml").write_text(config or "{}\n")
        settings, problems = read_settings("config.yaml", {"include": names})
        assert not problems
        sources, problems = load_sources("config.yaml", settings, {"include": names})
        assert not problems
        return Built(*build_zones(sources, settings))

    return run
