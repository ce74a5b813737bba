"""Broken input of many kinds: each mistake is told at its file and line with a remedy, all of them in one run."""

import pytest
from broken_inputs import BROKEN, FINE, Broken, write

from blackhole_guard.config.load import read_settings
from blackhole_guard.config.problems import Problem
from blackhole_guard.sources.load import load_sources

KINDS = [pytest.param(broken, id=broken.kind) for broken in BROKEN]


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read() -> list[Problem]:
    settings, problems = read_settings("config.yaml")
    _, more = load_sources("config.yaml", settings)
    return sorted(problem for problem in (*problems, *more) if problem.severity == "error")


def test_the_table_has_fifty_kinds_and_more():
    assert len({broken.kind for broken in BROKEN}) == len(BROKEN) >= 50


def test_what_the_kinds_are_laid_beside_is_fine(tmp_path):
    write({}, tmp_path)
    assert FINE and read() == []


@pytest.mark.parametrize("broken", KINDS)
def test_each_mistake_is_told_at_its_place_with_its_remedy_and_nothing_else(broken: Broken, tmp_path):
    write(broken.files, tmp_path)
    problems = read()
    assert [str(problem.place) for problem in problems] == [place for place, _ in broken.told], problems
    for problem, (_, hint) in zip(problems, broken.told, strict=True):
        assert hint in problem.hint
        assert problem.hint and str(problem).isprintable()
