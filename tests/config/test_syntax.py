"""What a YAML parser complains of, at the line to mend."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config import document
from blackhole_guard.config.document import read_documents
from blackhole_guard.config.problems import FileProblems
from blackhole_guard.config.syntax import note_syntax_error

CASES = [
    ("zone: 10.0.0.0/8\nptr\n  3: a.b\n", 2, "a line without `key: value`", "write the colon"),
    ("zone: 10.0.0.0/8\nptr:\n  3: a.b\n  4 b.b\n  5: c.b\n", 4, "a line without `key: value`", "write the colon"),
    ("zone: 10.0.0.0/8\nptr:\n  3:a.b\n  4: b.b\n", 3, "a line without `key: value`", "and a space after it"),
    ("a: 'b\nc: d\n", 1, "a quote is opened here and never closed", "close it on the same line"),
    ('a: "b\nc: d\n---\ne: f\n', 1, "a quote is opened here and never closed", "close it on the same line"),
    ("a: b\nc: [d, e\nf: g\n", 2, "a list is opened here with `[` and not closed", "a `]` at the end"),
    ("a: {b: c\nd: e\n", 1, "a mapping is opened here with `{` and not closed", "a `}` at the end"),
    ("a: b\nc: @d\n", 2, "a character that no value may begin with", "put the value in quotes"),
    ("a: b\nc: `d`\n", 2, "a character that no value may begin with", "put the value in quotes"),
    ("a: b\nc: *.example.com\n", 2, "a value that begins with `*` or `&`", "aliases and wildcards have no place"),
    ("a:\n  - b\n c: d\n", 3, "a line that does not fit the lines above it", "begin in one column"),
    ("a:\n  b: c\n d: e\n", 3, "a line that does not fit the lines above it", "begin in one column"),
    ("a:\n  - b\n  c: d\n", 3, "a line that is no item of the list above it", "begin it with `- `"),
    ("a: [b,,c]\n", 1, "a bracket or comma without a value", "write the value"),
    ('a: "b\\q"\n', 1, "a backslash in double quotes that YAML does not know", "use single quotes"),
    ("a: b\n%c\n", 2, "a line that begins with `%`", "delete it"),
    ("%c\na: b\n", 1, "a line that begins with `%`", "delete it"),
    ("%YAML 2.0\n---\na: b\n", 1, "a version of YAML that is not known", "delete the line"),
    ("a: !b!c d\n", 1, "a tag (`!`)", "put a value that begins with `!` in quotes"),
    ("a: b\n...\nc: d\n", 3, "a second document that `---` does not begin", "write `---` on a line of its own"),
    ("a: b: c\n", 1, "a second `: ` in one line", "put a value that holds `: ` in quotes"),
    (
        "a: b\n  c: d\n",
        2,
        "a line that is indented deeper than the one above, which has a value already",
        "column of line 1",
    ),
    ("a\n\n# comment\n  b: c\n", 1, "a line without `key: value`", "write the colon"),
    ("[" * 1200, 1, "", ""),
    ("a: b\n} c\n", 2, "", ""),
    ("]\n", 1, "", ""),
    ("a: b\n- c\n", 2, "a line that does not fit the lines above it", "begin in one column"),
    ("- a\nb: c\n", 2, "a line that is no item of the list above it", "begin it with `- `"),
    ("a: >x\n b\n", 1, "", ""),
    ("a: |\n  b\n c\n", 3, "a line that does not fit the lines above it", "begin in one column"),
]


@pytest.mark.parametrize(("text", "line", "what", "hint"), CASES, ids=[repr(case[0][:40]) for case in CASES])
def test_a_mistake_is_told_once_at_the_line_to_mend(text, line, what, hint):
    problems = FileProblems("map.yaml")
    list(read_documents(text.encode(), problems))
    assert len(problems.errors) == 1
    problem = problems.errors[0]
    assert (problem.place.line, what in problem.what, hint in problem.hint) == (line, True, True), str(problem)
    assert problem.hint


@pytest.mark.parametrize(("text", "line"), [(text, line) for text, line, what, _ in CASES if what])
def test_the_slow_parser_is_understood_as_well(text, line, monkeypatch):
    monkeypatch.setattr(document, "Loader", yaml.SafeLoader)
    problems = FileProblems("map.yaml")
    list(read_documents(text.encode(), problems))
    assert len(problems.errors) == 1 and problems.errors[0].hint
    # It knows less of where a construct began, so the line may be the one below.
    assert 1 <= problems.errors[0].place.line <= text.count("\n") + 1


def test_an_error_without_a_place_is_told_of_the_file():
    problems = FileProblems("map.yaml")
    note_syntax_error(yaml.YAMLError("x"), "", problems)
    assert str(problems.errors[0]) == "map.yaml: not YAML; see that it is text, written as `key: value`"


@given(st.text(st.sampled_from("ab:-[]{},&*!|>'\"%@`?# \n"), max_size=50))
def test_any_mistake_has_a_line_of_the_file_and_a_hint(text):
    problems = FileProblems("map.yaml")
    list(read_documents(text.encode(), problems))
    for problem in problems.all():
        assert 0 <= problem.place.line <= text.count("\n") + 1
        assert problem.what and problem.hint
