"""Problems: their order, their text, and their number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.problems import (
    MAX_ERRORS,
    MAX_WARNINGS,
    FileProblems,
    Place,
    Problem,
    SettingsError,
    quote,
)


def test_a_problem_says_place_what_and_hint():
    assert str(Problem(Place("zones/web.yaml", 4), "192.168.7.9 lies outside 10.0.0.0/8", "give it a map")) == (
        "zones/web.yaml:4: 192.168.7.9 lies outside 10.0.0.0/8; give it a map"
    )
    assert str(Problem(Place("config.yaml"), "is empty")) == "config.yaml: is empty"


def test_problems_are_sorted_by_file_and_line():
    problems = [Problem(Place(file, line), "x") for file, line in [("b", 1), ("a", 10), ("a", 9)]]
    error = SettingsError(problems)
    assert [str(problem.place) for problem in error.problems] == ["a:9", "a:10", "b:1"]
    assert str(error) == "a:9: x\na:10: x\nb:1: x"


def test_what_follows_from_a_spoilt_line_is_not_said():
    problems = FileProblems("map.yaml")
    problems.error(3, "an alias", "write it out", spoils=True)
    problems.error(3, "no name", "write one")
    problems.warning(3, "doubtful", "see")
    problems.error(4, "no name", "write one")
    assert [str(problem) for problem in problems.all()] == [
        "map.yaml:3: an alias; write it out",
        "map.yaml:4: no name; write one",
    ]


def test_too_many_problems_become_a_number():
    problems = FileProblems("map.yaml")
    for line in range(MAX_ERRORS + 5):
        problems.error(line, "wrong", "mend it")
    for line in range(MAX_WARNINGS + 1):
        problems.warning(line, "doubtful", "see")
    found = problems.all()
    assert len(found) == MAX_ERRORS + MAX_WARNINGS + 2
    assert str(found[MAX_ERRORS]) == "map.yaml: 5 more errors in this file; mend those above first, then look again"
    assert found[-1].what == "1 more warning in this file" and found[-1].severity == "warning"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web", "web"),
        ("a\nb", r"a\010b"),
        ("\x1b[31m", r"\027[31m"),
        ("ü", r"\195\188"),
        ("x" * 100, "x" * 77 + "..."),
    ],
)
def test_what_a_message_repeats_is_escaped(text, shown):
    assert quote(text) == shown


def test_the_name_of_a_file_is_escaped():
    assert str(FileProblems("a\n\udcff.yaml").place(1)) == r"a\010\255.yaml:1"


@given(st.text())
def test_a_quoted_text_is_printable_ascii_on_one_line(text):
    shown = quote(text)
    assert shown.isascii() and shown.isprintable() and len(shown) <= 80


def test_a_file_of_errors_needs_no_more_explanations():
    problems = FileProblems("map.yaml")
    for line in range(MAX_ERRORS - 1):
        problems.error(line, "wrong", "mend it")
    assert not problems.is_full
    problems.error(0, "wrong", "mend it")
    assert problems.is_full
    problems.error(0, "", "")
    assert "1 more error in this file" in str(problems.all()[-1])
