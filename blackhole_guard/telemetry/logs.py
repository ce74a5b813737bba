"""Log lines with fields. Logging never waits, never fails and never floods: what cannot be written is counted.

structlog is imported at the first line, for the supervisor's start; children that are forked after it have it already.
"""

import importlib
import os
import sys
from collections.abc import Callable
from time import monotonic
from typing import IO, Any

from blackhole_guard.telemetry.line_sink import LineSink
from blackhole_guard.telemetry.log_format import (
    LEVELS,
    Render,
    format_line,
    render_colour,
    render_journald,
    render_json,
    render_text,
)

LINES_PER_SECOND = 10  # of one event; what a stranger can cause must not fill a disk
_WINDOW = 1.0  # seconds
_EVENTS = 500  # whose rates are known at once. Events are constants of the code, far fewer


class Log:
    """Says what an operator should know. Belongs to one process at a time; after a fork each has its own limits."""

    def __init__(
        self,
        sink: LineSink,
        render: Render,
        level: str,
        *,
        on_loss: Callable[[], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin to log.

        Args:
            sink: where the lines go.
            render: how they look.
            level: the lowest that is shown; a key of LEVELS.
            on_loss: called for each line that could not be written.
            clock: monotonic seconds, for the limits.
        """
        self.lost = 0  # lines, in all
        self.on_loss = on_loss
        self._sink = sink
        self._render = render
        self._threshold = LEVELS[level]
        self._clock = clock
        self._limits = _Limits()
        self._untold = 0  # lines lost since the last one that was written
        self._logger: Any = None

    @property
    def is_for_people(self) -> bool:
        """Whether the lines are plain text."""
        return self._render in (render_text, render_colour)

    def debug(self, event: str, **fields: object) -> None:
        """Log what only a developer asks for."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log what went as it should."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what did not, but needs nobody now."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log what somebody must mend."""
        self._log("error", event, fields)

    def close(self) -> None:
        """Say what was suppressed so far, and log no more."""
        for level, event, lines in self._limits.ended(float("inf")):
            self._write(level, "suppressed", {"lines": lines, "of": event})
        self._sink.close()

    def _log(self, level: str, event: str, fields: dict[str, object]) -> None:
        if LEVELS[level] < self._threshold:
            return
        now = self._clock()
        for old_level, old_event, lines in self._limits.ended(now):
            self._write(old_level, "suppressed", {"lines": lines, "of": old_event})
        if self._limits.admit(level, event, now):
            self._write(level, event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        try:
            if self._logger is None:
                self._logger = _make_logger(self._put, self._render)
            getattr(self._logger, level)(event, fields=fields)
        except Exception:  # noqa: BLE001  # a field's own __str__, no memory: errors are logged here, so this raises none
            self._lose()

    def _put(self, line: bytes) -> None:
        if self._untold:
            told = self._sink.write(
                format_line(self._render, "warning", _now(), "log lines were lost", {"lines": self._untold}) + line
            )
        else:
            told = self._sink.write(line)
        if told:
            self._untold = 0
        else:
            self._lose()

    def _lose(self) -> None:
        self.lost += 1
        self._untold += 1
        if self.on_loss is not None:
            self.on_loss()


def open_log(style: str, level: str, stream: IO[str], on_loss: Callable[[], None] | None = None) -> Log:
    """Log to a stream, such as standard error. Call it before privileges are dropped.

    Args:
        style: `text`, `json`, `journald`, or `auto`: journald if the stream leads to it, else text.
        level: the lowest that is shown: `debug`, `info`, `warning` or `error`.
        stream: has a descriptor, and stays open.
        on_loss: called for each line that could not be written.
    """
    return Log(LineSink(stream), _find_render(style, stream), level, on_loss=on_loss)


def _find_render(style: str, stream: IO[str]) -> Render:
    if style == "json":
        return render_json
    if style == "journald" or (style == "auto" and _leads_to_journal(stream)):
        return render_journald
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return render_colour if colour else render_text


def _leads_to_journal(stream: IO[str]) -> bool:
    """Whether the stream is the one that systemd connected to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    status = os.fstat(stream.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Limits:
    """How many lines of each event there were in its current second."""

    def __init__(self) -> None:
        self._windows: dict[str, list[Any]] = {}  # event -> begin of the window, lines in it, level

    def admit(self, level: str, event: str, now: float) -> bool:
        """Count one line, and say whether it may be shown. Call `ended` before."""
        if event not in self._windows and len(self._windows) >= _EVENTS:
            event = "other events"
        window = self._windows.setdefault(event, [now, 0, level])
        window[1] += 1
        return bool(window[1] <= LINES_PER_SECOND)

    def ended(self, now: float) -> list[tuple[str, str, int]]:
        """Forget the windows that are over; returns level, event and number of lines where some were not shown."""
        over = [event for event, window in self._windows.items() if now - window[0] >= _WINDOW]
        windows = [(event, *self._windows.pop(event)) for event in over]
        return [(level, event, n - LINES_PER_SECOND) for event, _, n, level in windows if n > LINES_PER_SECOND]


def _import_structlog() -> Any:
    """Import structlog without rich, which it takes where it is found, for tracebacks in colour that we never print.

    With it the first line, which stands before the first answer, takes 40 ms and each server 5.2 MB; without it 8 ms
    and 1 MB. Measured: python -X importtime, and /proc/self/smaps_rollup before and after.
    """
    if "rich" in sys.modules:
        return importlib.import_module("structlog")
    sys.modules["rich"] = None  # type: ignore[assignment]  # "there is none" (importlib)
    try:
        return importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]


def _make_logger(put: Callable[[bytes], None], render: Render) -> Any:
    structlog = _import_structlog()

    def as_line(logger: object, method: str, entry: Any) -> bytes:
        return format_line(render, entry["level"], entry["timestamp"], entry["event"], entry["fields"])

    return structlog.wrap_logger(
        _Lines(put),
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), as_line],
        wrapper_class=structlog.BoundLogger,
    ).bind()


class _Lines:
    """What structlog hands finished lines to: a method for each level."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self.debug = self.info = self.warning = self.error = put


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
