import fcntl
import json
import os
import pty
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blackhole_guard.telemetry.line_sink import LineSink
from blackhole_guard.telemetry.log_format import render_journald
from blackhole_guard.telemetry.logs import LINES_PER_SECOND, Log, open_log


class Pipe:
    """Both ends of a pipe, the writing one as a stream."""

    def __init__(self, size: int = 0) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.stream = os.fdopen(writer, "w")
        if size:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)

    def read(self) -> str:
        try:
            return os.read(self.reader, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        self.stream.close()
        os.close(self.reader)


@pytest.fixture
def start():
    """Makes logs, and closes them when the test is over."""
    logs: list[Log] = []

    def keep(log: Log) -> Log:
        logs.append(log)
        return log

    yield keep
    for log in logs:
        log.close()


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.close()


def test_lines_below_the_level_are_not_shown(start, pipe):
    log = start(open_log("journald", "warning", pipe.stream))
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d", slot=1)
    assert pipe.read() == "<4>c\n<3>d  slot=1\n"


def test_json_lines_say_when(start, pipe):
    start(open_log("json", "debug", pipe.stream)).debug("started", pid=7)
    entry = json.loads(pipe.read())
    assert entry.pop("timestamp").startswith("20")
    assert entry == {"level": "debug", "event": "started", "pid": 7}


def test_auto_is_text_where_nothing_else_is_known(start, pipe, monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    start(open_log("auto", "info", pipe.stream)).info("started")
    assert pipe.read().rstrip().endswith("info     started")


def test_auto_is_journald_when_the_stream_is_the_one_of_systemd(start, monkeypatch):
    journal, ours = socket.socketpair()
    with journal, ours, os.fdopen(os.dup(ours.fileno()), "w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        start(open_log("auto", "info", stream)).info("started")
        assert journal.recv(100) == b"<6>started\n"


def test_auto_is_text_when_the_stream_was_redirected_under_systemd(start, pipe, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234567")  # inherited by who was started under systemd
    start(open_log("auto", "info", pipe.stream)).info("started")
    assert not pipe.read().startswith("<")


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colours_unless_it_or_its_user_does_not_want_them(start, monkeypatch, variables, coloured):
    for name in ("NO_COLOR", "TERM", "JOURNAL_STREAM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as stream:
        start(open_log("auto", "info", stream)).warning("started", why="\x1b[2J")
        shown = os.read(reader, 1000)
    os.close(reader)
    assert (b"\x1b[33m" in shown) is coloured
    assert b"\x1b[2J" not in shown and b"why=\\027[2J" in shown


def test_the_flags_of_a_stream_that_others_use_are_left_alone(start, pipe):
    before = fcntl.fcntl(pipe.stream.fileno(), fcntl.F_GETFL)
    start(open_log("text", "info", pipe.stream)).info("started")
    assert fcntl.fcntl(pipe.stream.fileno(), fcntl.F_GETFL) == before


def _fill(log: Log) -> int:
    number = 0
    while not log.lost:
        log.info(f"event {number}", padding="x" * 900)
        number += 1
    return number - 1  # that were written


def full_pipe():
    made = Pipe(4096)
    return made.stream, lambda: os.read(made.reader, 1 << 20), made.close


def full_socket():
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    reader.setblocking(False)
    stream = writer.makefile("w")

    def close() -> None:
        stream.close()
        writer.close()
        reader.close()

    return stream, lambda: reader.recv(1 << 20), close


def full_terminal():
    reader, writer = pty.openpty()
    stream = os.fdopen(writer, "w")
    os.set_blocking(reader, False)

    def close() -> None:
        stream.close()
        os.close(reader)

    return stream, lambda: os.read(reader, 1 << 20), close


def _drain(read) -> bytes:
    data = b""
    while True:
        try:
            data += read()
        except BlockingIOError:
            return data


@pytest.mark.parametrize("make", [full_pipe, full_socket, full_terminal])
def test_a_reader_that_does_not_read_is_not_waited_for(start, make):
    stream, read, close = make()
    losses = []
    try:
        log = start(Log(LineSink(stream), render_journald, "info", on_loss=lambda: losses.append(1)))
        begin = time.monotonic()
        written = _fill(log)
        for number in range(20):
            log.info(f"more {number}")
        assert time.monotonic() - begin < 5
        lost = log.lost
        assert lost >= 1 and losses == [1] * lost

        shown = _drain(read)
        log.info("there is room again")
        shown = (shown + _drain(read)).replace(b"\r\n", b"\n")
        assert shown.count(b"\n<6>event") + 1 >= written
        assert sum(map(int, re.findall(rb"^<4>log lines were lost  lines=(\d+)$", shown, re.M))) == lost
        assert shown.endswith(b"\n<6>there is room again\n")
        assert log.lost == lost
    finally:
        close()


def test_a_reader_that_went_away_is_survived(start, pipe):
    log = start(open_log("text", "info", pipe.stream))
    log.info("a")
    os.close(pipe.reader)
    log.info("b")
    assert log.lost == 1
    pipe.reader = os.open(os.devnull, os.O_RDONLY)


def test_a_disk_that_is_full_is_survived(start):
    with open("/dev/full", "w") as stream:
        log = start(open_log("text", "info", stream))
        log.error("a")
        assert log.lost == 1


def test_without_proc_lines_still_come_and_nothing_waits(start, monkeypatch):
    made = Pipe(4096)
    try:
        real = os.open
        monkeypatch.setattr(
            os, "open", lambda path, *args: real("/nonexistent", *args) if "/proc" in path else real(path, *args)
        )
        log = start(Log(LineSink(made.stream), render_journald, "info"))
        written = _fill(log)
        assert len(made.read().splitlines()) == written >= 1
        log.info("again")
        assert "<6>again" in made.read()
    finally:
        made.close()


def test_a_file_is_appended_to(start, tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("a") as stream:
        start(open_log("journald", "info", stream)).info("after")
    assert path.read_text() == "before\n<6>after\n"


def test_a_flood_of_one_event_is_cut_and_said_and_hides_no_other(start, pipe):
    now = [100.0]
    log = start(Log(LineSink(pipe.stream), render_journald, "info", clock=lambda: now[0]))
    for number in range(1000):
        log.warning("flood", number=number)
    log.info("other")
    lines = pipe.read().splitlines()
    assert lines == [*(f"<4>flood  number={number}" for number in range(LINES_PER_SECOND)), "<6>other"]

    now[0] += 1.0
    log.info("other")
    assert pipe.read().splitlines() == ["<4>suppressed  lines=990 of=flood", "<6>other"]
    log.warning("flood", number=1000)
    assert pipe.read().splitlines() == ["<4>flood  number=1000"]


def test_what_was_suppressed_at_the_end_is_said(start, pipe):
    log = start(open_log("journald", "info", pipe.stream))
    for _ in range(LINES_PER_SECOND + 3):
        log.error("flood")
    log.close()
    assert pipe.read().splitlines()[-1] == "<3>suppressed  lines=3 of=flood"


def test_events_without_end_have_a_limit_together(start, pipe):
    log = start(Log(LineSink(pipe.stream), render_journald, "info", clock=lambda: 1.0))
    for number in range(600):
        log.info(f"event {number}")
    log.close()
    assert len(pipe.read().splitlines()) == 500 + LINES_PER_SECOND + 1


def test_a_field_that_cannot_be_shown_is_a_lost_line_and_no_error(start, pipe):
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    log = start(open_log("journald", "info", pipe.stream))
    log.info("a", field=Broken())
    log.info("b")
    assert log.lost == 1
    assert pipe.read() == "<4>log lines were lost  lines=1\n<6>b\n"


def test_lines_of_several_processes_do_not_mix(start):
    made = Pipe(1 << 20)
    try:
        log = start(open_log("journald", "info", made.stream))
        children = []
        for number in range(4):
            if (child := os.fork()) == 0:
                for line in range(100):
                    log.info(f"child {number} {line}", padding=str(number) * 800)
                os._exit(0)
            children.append(child)
        lines = []
        for child in children:
            os.waitpid(child, 0)
            lines += made.read().splitlines()
        assert len(lines) == 400
        assert all(line.endswith(str(line[9]) * 800) for line in lines)
    finally:
        made.close()


def test_structlog_is_imported_at_the_first_line_and_rich_and_aiohttp_never():
    script = (
        "import sys; from blackhole_guard.telemetry.logs import open_log; log = open_log('text', 'info', sys.stderr);"
        "log.debug('x'); assert 'structlog' not in sys.modules; log.info('x'); assert 'structlog' in sys.modules;"
        "assert 'rich' not in sys.modules; import rich.console;"
        "assert 'aiohttp' not in sys.modules and 'prometheus_client' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, capture_output=True)
