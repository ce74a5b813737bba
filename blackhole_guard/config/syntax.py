"""What a YAML parser complains of, in an operator's words and at the line to mend.

libyaml says where it could not go on; the line at fault is often the one before, or where a bracket or quote opened.
"""

import re

import yaml

from blackhole_guard.config.problems import FileProblems

_GOES_ON = "keys of one level begin in one column; `key: value` needs the space after its colon"
_NO_KEY = ("a line without `key: value`", "write the colon, and a space after it")

# What the parser says -> what to say, how to mend it, and whether the place is where the construct began.
_MESSAGES: tuple[tuple[str, str, str, bool], ...] = (
    ("could not find expected ':'", *_NO_KEY, True),
    ("found unexpected end of stream", "a quote is opened here and never closed", "close it on the same line", True),
    ("found unexpected document", "a quote is opened here and never closed", "close it on the same line", True),
    (
        "expected ',' or ']'",
        "a list is opened here with `[` and not closed",
        "put a comma between names, a `]` at the end",
        True,
    ),
    (
        "expected ',' or '}'",
        "a mapping is opened here with `{` and not closed",
        "put a comma between entries, a `}` at the end",
        True,
    ),
    ("cannot start any token", "a character that no value may begin with", "put the value in quotes", False),
    (
        "expected alphabetic or numeric",
        "a value that begins with `*` or `&`",
        "aliases and wildcards have no place here",
        False,
    ),
    ("did not find expected key", "a line that does not fit the lines above it", _GOES_ON, False),
    (
        "did not find expected '-'",
        "a line that is no item of the list above it",
        "indent it like the list's name, or begin it with `- `",
        False,
    ),
    (
        "did not find expected node content",
        "a bracket or comma without a value",
        "write the value; put what begins with `:` in quotes",
        False,
    ),
    ("unknown escape character", "a backslash in double quotes that YAML does not know", "use single quotes", False),
    ("nesting depth", "brackets nested too deep", "no part of a map is deeper than a few levels", False),
    ("undefined tag handle", "a tag (`!`)", "delete it; put a value that begins with `!` in quotes", False),
    ("incompatible YAML document", "a version of YAML that is not known", "delete the line `%YAML`", False),
    ("directive", "a line that begins with `%`", "delete it", False),
    (
        "expected <document start>",
        "a second document that `---` does not begin",
        "write `---` on a line of its own before it",
        False,
    ),
)
_KEY = re.compile(r"^\s*(?:- +)*[^\s#'\"][^#]*?:(?:\s|$)")


def note_syntax_error(error: yaml.YAMLError, text: str, problems: FileProblems) -> None:
    """Note a parser's error at the line to mend."""
    if not isinstance(error, yaml.MarkedYAMLError):
        problems.error(0, "not YAML", "see that it is text, written as `key: value`")
        return
    said = error.problem or ""
    lines = text.removesuffix("\n").split("\n")
    line = _number(error.problem_mark, lines)
    if "mapping values are not allowed" in said:
        problems.error(*_explain_mapping(lines, line))
        return
    above = _line_above(lines, line)
    if "expected <document start>" in said and above and not _KEY.match(lines[above - 1]) and lines[above - 1] != "...":
        problems.error(above, *_NO_KEY)
        return
    for part, what, hint, at_start in _MESSAGES:
        if part in said:
            problems.error(_number(error.context_mark, lines) or line if at_start else line, what, hint)
            return
    problems.error(line, "not YAML as it stands", f"see this line and the one above: {_GOES_ON}")


def _number(mark: yaml.Mark | None, lines: list[str]) -> int:
    # At the end of a file the parser may stand behind its last line.
    return min(mark.line + 1, len(lines)) if mark is not None else 0


def _line_above(lines: list[str], line: int) -> int:
    """Find the last line before `line` that says anything; 0: there is none."""
    above = line - 1
    while above > 0 and (not lines[above - 1].strip() or lines[above - 1].lstrip().startswith("#")):
        above -= 1
    return max(above, 0)


def _explain_mapping(lines: list[str], line: int) -> tuple[int, str, str]:
    """Find out which of three mistakes makes a `: ` appear where none may be."""
    here = lines[line - 1] if line else ""
    if len(re.findall(r":\s", here.partition(" #")[0])) > 1 and not here.lstrip().startswith("-"):
        return line, "a second `: ` in one line", "put a value that holds `: ` in quotes"
    above = _line_above(lines, line)
    if above and not _KEY.match(lines[above - 1]):
        return above, *_NO_KEY
    if above and _indent(here) > _indent(lines[above - 1]):
        hint = f"begin it in the column of line {above}, or take away the value there"
        return line, "a line that is indented deeper than the one above, which has a value already", hint
    return line, "a line that does not fit the lines above it", _GOES_ON


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
