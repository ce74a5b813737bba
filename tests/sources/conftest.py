"""Maps on disk, read as the loader reads them."""

from pathlib import Path
from typing import NamedTuple

import pytest

from blackhole_guard.config.load import read_settings
from blackhole_guard.config.maps import Sources
from blackhole_guard.config.problems import Problem
from blackhole_guard.config.settings import Settings
from blackhole_guard.sources.load import load_sources


class Loaded(NamedTuple):
    sources: Sources
    problems: tuple[Problem, ...]

    @property
    def said(self) -> list[str]:
        return [str(problem) for problem in self.problems]


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write files and load them: all of config.yaml if it is among them, else every `*.yaml`."""
    monkeypatch.chdir(tmp_path)

    def run(files: dict[str, str | bytes] | str, overrides=None) -> Loaded:
        files = {"map.yaml": files} if isinstance(files, str) else files
        for name, content in files.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        if "config.yaml" in files:
            settings, problems = read_settings("config.yaml", overrides)
            sources, more = load_sources("config.yaml", settings, overrides)
            return Loaded(sources, tuple(sorted((*problems, *more))))
        return Loaded(*load_sources(None, Settings(include=("*.yaml",))))

    return run
