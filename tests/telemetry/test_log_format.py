import json
import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.telemetry.log_format import (
    LEVELS,
    MAX_LINE,
    format_line,
    render_colour,
    render_journald,
    render_json,
    render_text,
)

TIME = "2026-01-31T12:00:00.000000Z"
RENDERS = [render_text, render_json, render_journald]
HOSTILE = ["\x1b[2J", "a\nb", "a\r\nb", "\x9b31m", "\0", "\u202egnp.exe", '"', '\\" level=error x="', "<4>", "=cmd()",
           "\u2028", "\x85", "\udc9b", "a" * 5000, "\\", "", " ", "\x7f", "\t", "{", "\ud800"]  # fmt: skip


def line(render, event="a thing happened", level="warning", **fields):
    return format_line(render, level, TIME, event, fields)


@pytest.mark.parametrize(
    ("render", "expected"),
    [
        (render_text, f'{TIME} warning  a thing happened  slot=1 why="it had to" up=false nothing=""'),
        (render_journald, '<4>a thing happened  slot=1 why="it had to" up=false nothing=""'),
        (
            render_json,
            f'{{"timestamp": "{TIME}", "level": "warning", "event": "a thing happened", '
            '"slot": 1, "why": "it had to", "up": false, "nothing": null}',
        ),
        (render_colour, f'{TIME} \x1b[33mwarning \x1b[0m a thing happened  slot=1 why="it had to" up=false nothing=""'),
    ],
)
def test_a_line_in_each_format(render, expected):
    assert line(render, slot=1, why="it had to", up=False, nothing=None) == expected.encode() + b"\n"


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
def test_journald_is_told_the_level_as_syslog_numbers_it(level, priority):
    assert line(render_journald, level=level) == f"<{priority}>a thing happened\n".encode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("10.0.0.3", "10.0.0.3"),
        ("it's", "it's"),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "a"', '"say \\034a\\034"'),
        ("back\\slash", "back\\slash"),  # a name that was escaped before is not escaped twice
        ("\x1b[2J", "\\027[2J"),
        ("\n", "\\010"),
        ("é", "\\195\\169"),
        ("\u202e", "\\226\\128\\174"),
        ("\udcff", "\\255"),  # an octet of a path that is not UTF-8
        ("", '""'),
        (0.25, "0.25"),
        (float("inf"), "inf"),
        (True, "true"),
        (b"\xff", "b'\\xff'"),
        (ip_address("10.0.0.3"), "10.0.0.3"),
        (Path("/etc/x"), "/etc/x"),
        (10**30, "0xc9f2c9cd04674edea40000000"),
    ],
)
def test_a_value_is_shown_so_that_it_ends_where_it_ends(value, shown):
    assert line(render_journald, field=value) == f"<4>a thing happened  field={shown}\n".encode()


@pytest.mark.parametrize("render", RENDERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_string_neither_breaks_a_line_nor_prints_what_is_not_ascii(render, text):
    for made in (line(render, field=text), line(render, text), line(render, **{text: 1})):
        assert all(0x20 <= octet <= 0x7E for octet in made[:-1])
        assert made.endswith(b"\n") and len(made) <= MAX_LINE


@pytest.mark.parametrize("render", RENDERS)
@given(st.text(), st.sampled_from(sorted(LEVELS)), st.dictionaries(st.text(), st.text() | st.integers() | st.floats()))
def test_any_event_and_fields_make_one_short_ascii_line(render, event, level, fields):
    made = format_line(render, level, TIME, event, fields)
    assert all(0x20 <= octet <= 0x7E for octet in made[:-1])
    assert made.endswith(b"\n") and len(made) <= MAX_LINE
    if render is render_json:
        assert json.loads(made)["level"] == level


@given(st.text(), st.text())
def test_a_value_cannot_pass_for_another_field(first, second):
    made = line(render_journald, first=first, second=second).decode()
    assert re.fullmatch(r'<4>a thing happened  first=("[^"]*"|[^ "=]+) second=("[^"]*"|[^ "=]+)\n', made)


def test_fields_do_not_hide_what_every_line_has():
    made = json.loads(format_line(render_json, "warning", TIME, "a", {"level": "debug", "timestamp": "never"}))
    assert (made["level"], made["timestamp"], made["level_"], made["timestamp_"]) == ("warning", TIME, "debug", "never")


@pytest.mark.parametrize("render", RENDERS)
def test_long_fields_are_cut_and_the_line_stays_whole(render):
    made = line(render, short="10.0.0.3", long="x" * 100_000, longer="\x1b" * 100_000)
    assert len(made) <= MAX_LINE and b"10.0.0.3" in made and b"..." in made
    if render is render_json:
        assert json.loads(made)["short"] == "10.0.0.3"


@pytest.mark.parametrize("render", RENDERS)
def test_too_many_fields_are_left_out_and_counted(render):
    made = line(render, **{f"field_{number}": "x" * 50 for number in range(500)})
    assert len(made) <= MAX_LINE and b"fields_left_out" in made and b"500" in made
