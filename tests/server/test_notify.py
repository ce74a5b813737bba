"""What the service manager is told, on a real datagram socket."""

import os
import socket
import time

import pytest

from blackhole_guard.server.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@blackhole-guard-{os.getpid()}-{time.time_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0"))
        sock.settimeout(2)
        yield sock, name


def heard(manager):
    return manager[0].recv(4096).decode()


def test_the_messages(manager):
    environ = {"NOTIFY_SOCKET": manager[1], "HOME": "/"}
    notifier = Notifier(environ)
    assert environ == {"HOME": "/"}
    notifier.status("loading")
    assert heard(manager) == "STATUS=loading"
    notifier.ready("100 zones\nREADY=0")
    assert heard(manager) == "READY=1\nSTATUS=100 zones READY=0"
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    lines = heard(manager).split("\n")
    assert lines[0] == "RELOADING=1"
    assert before <= int(lines[1].removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.alive()
    assert heard(manager) == "WATCHDOG=1"
    notifier.stopping()
    assert heard(manager).startswith("STOPPING=1\n")
    notifier.close()
    notifier.alive()


def test_a_status_has_a_length(manager):
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    notifier.status("x" * 10_000)
    assert len(heard(manager)) < 500
    notifier.close()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog(manager, environ, interval):
    notifier = Notifier({"NOTIFY_SOCKET": manager[1], **environ})
    assert notifier.watchdog_interval == interval
    notifier.close()


@pytest.mark.parametrize("name", ["", "relative", "/there/is/none", "@there-is-none"])
def test_without_a_manager_nothing_happens(name):
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "10000000"})
    assert notifier.watchdog_interval is None
    notifier.ready("")
    notifier.close()


def test_a_manager_that_does_not_read_does_not_stop_us(manager):
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    for _ in range(2000):
        notifier.alive()
    notifier.close()
