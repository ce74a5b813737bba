"""How a log line looks: text, JSON, or text with journald's levels. Whatever it repeats, a line stays one line.

Every character that does not print as one ASCII character is shown as the decimal values of its octets, as in a zone
file (RFC 1035 section 5.1): no escape sequence reaches a terminal, no newline makes a second line, no mark turns the
direction of the text.
"""

import json
import math
import re
from collections.abc import Callable, Mapping

MAX_LINE = 2048  # octets with the newline; two lines at once are still one whole write to a pipe (PIPE_BUF, 4096)
_LIMITS = (1024, 256, 64, 16)  # characters of one field, tried until the line fits

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # sd-daemon(3), as syslog(3)
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "1;31"}  # SGR parameters (ECMA-48 section 8.3.117)
_OURS = ("timestamp", "level", "event")
_BARE = re.compile(r"[!#-<>-~]+")  # needs no quotes: no space, quote or equals sign

Scalar = str | int | float | bool | None
Render = Callable[
    [str, str, str, Mapping[str, Scalar]], str
]  # level, timestamp, event, fields -> a line without its end


def format_line(render: Render, level: str, timestamp: str, event: str, fields: Mapping[str, object]) -> bytes:
    """Make one line of at most MAX_LINE octets; long fields are cut, and all of them left out if that is not enough.

    Args:
        level: a key of LEVELS.
        timestamp: as it shall be shown.
        event: what happened; a field that has one of our names gets an underscore behind its own.
    """
    for limit in _LIMITS:
        clean = {_clean_key(key): _clean(value, limit) for key, value in fields.items()}
        line = render(level, timestamp, escape(event, limit), clean)
        if len(line) < MAX_LINE:  # ASCII: a character is an octet
            break
    else:
        line = render(level, timestamp, escape(event, _LIMITS[-1]), {"fields_left_out": len(fields)})
    return line.encode("ascii") + b"\n"


def render_json(level: str, timestamp: str, event: str, fields: Mapping[str, Scalar]) -> str:
    """One JSON object (RFC 8259), ASCII only."""
    return json.dumps({"timestamp": timestamp, "level": level, "event": event, **fields})


def render_text(level: str, timestamp: str, event: str, fields: Mapping[str, Scalar]) -> str:
    """For people: `2026-01-31T12:00:00.000000Z warning  a worker died  slot=1 why="signal 9"`."""
    return f"{timestamp} {level:<8} {event}{_format_fields(fields)}"


def render_colour(level: str, timestamp: str, event: str, fields: Mapping[str, Scalar]) -> str:
    """As text, the level in colour: for a terminal."""
    return f"{timestamp} \x1b[{_COLOURS[level]}m{level:<8}\x1b[0m {event}{_format_fields(fields)}"


def render_journald(level: str, timestamp: str, event: str, fields: Mapping[str, Scalar]) -> str:
    """With the level as sd-daemon(3) has it, and without the time, which journald knows."""
    return f"<{_PRIORITIES[level]}>{event}{_format_fields(fields)}"


def escape(text: str, limit: int) -> str:
    """Make any text printable ASCII of at most `limit` characters; a longer one ends in `...`."""
    safe = "".join([char if " " <= char <= "~" else _escape_character(char) for char in text[: limit + 1]])
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def _escape_character(char: str) -> str:
    octets = char.encode("utf-8", "surrogateescape" if "\udc80" <= char <= "\udcff" else "replace")
    return "".join([f"\\{octet:03d}" for octet in octets])


def _clean(value: object, limit: int) -> Scalar:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value if not isinstance(value, int) or abs(value) < 1 << 64 else escape(hex(value), limit)
    return escape(value if isinstance(value, str) else str(value), limit)


def _clean_key(key: str) -> str:
    key = re.sub(r"[^A-Za-z0-9_.]", "_", key[:64]) or "_"
    return key + "_" if key in _OURS else key


def _format_fields(fields: Mapping[str, Scalar]) -> str:
    shown = [f"{key}={_quote(value)}" for key, value in fields.items()]
    return "  " + " ".join(shown) if shown else ""


def _quote(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    # A quote inside is shown by its value, too, so that the next quote always is the end, whatever stands before it.
    return text if _BARE.fullmatch(text) else '"' + text.replace('"', "\\034") + '"'
