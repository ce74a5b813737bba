"""The control socket."""

import contextlib
import json
import os
import socket
import stat
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackhole_guard.server import control
from blackhole_guard.server.control import ControlError, ControlServer, ReloadRequest, ask_reload
from blackhole_guard.server.poller import Poller


class Serving:
    """A control server whose loop runs in a thread."""

    def __init__(self, path, reply=b'{"result": "loaded"}', at_once=True):
        self.asked, self.answers = [], []
        self.reply, self.at_once = reply, at_once
        self.poller = Poller()
        self.server = ControlServer(path)
        self.server.start(self.poller, self.on_reload)
        self.over = False
        self.thread = threading.Thread(target=self.run)

    def on_reload(self, force, answer):
        self.asked.append(force)
        self.answers.append(answer)
        if self.at_once:
            answer(self.reply)

    def run(self):
        while not self.over:
            self.poller.turn(0.02)
            self.server.tick(time.monotonic())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(5)
        self.server.close()
        self.poller.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "control.sock")


@pytest.mark.parametrize("force", [False, True])
def test_a_request_and_its_reply(path, force):
    with Serving(path) as serving:
        assert json.loads(ask_reload(path, ReloadRequest("reload", force))) == {"result": "loaded"}
        assert serving.asked == [force]
    assert not os.path.exists(path)


def test_only_its_user_and_root_may_open_it(path):
    with Serving(path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_the_name_that_a_dead_server_left_is_taken_over(path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    with pytest.raises(ControlError, match="no server listens"):
        ask_reload(path, ReloadRequest("reload"))
    with Serving(path):
        assert ask_reload(path, ReloadRequest("reload"))


def test_a_path_that_is_longer_than_an_address_may_be(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with Serving(str(folder / "control.sock")):
        assert ask_reload(str(folder / "control.sock"), ReloadRequest("reload"))


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        ControlServer(str(tmp_path / "nothing" / "control.sock"))


def test_a_reply_larger_than_what_the_kernel_takes(path):
    large = b'"' + b"x" * 5_000_000 + b'"'
    with Serving(path, large):
        assert ask_reload(path, ReloadRequest("reload")).strip() == large


def test_a_client_that_does_not_take_its_reply(path, monkeypatch):
    monkeypatch.setattr(control, "_PATIENCE", 0.3)
    with Serving(path, b"x" * 5_000_000) as serving, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b'{"command": "reload"}\n')
        deadline = time.monotonic() + 30
        while not serving.asked or serving.server._connections:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_waiting_for_a_load_may_take_longer_than_patience(path, monkeypatch):
    monkeypatch.setattr(control, "_PATIENCE", 0.2)
    with Serving(path, at_once=False) as serving:
        threading.Timer(0.6, lambda: serving.answers[0](b"late")).start()
        assert ask_reload(path, ReloadRequest("reload")) == b"late\n"


@pytest.mark.parametrize(
    "octets",
    [b"\n", b"{}\n", b"[]\n", b'{"command": "stop"}\n', b'{"command": "reload", "more": 1}\n', b"\xff\xfe\n"],
)
def test_what_is_no_request_is_refused(path, octets):
    with Serving(path) as serving, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(octets)
        assert json.loads(client.recv(65536))["result"] == "refused"
        assert serving.asked == []


@pytest.mark.parametrize("octets", [b"x" * 5000, b""])
def test_who_sends_too_much_or_nothing_is_dropped(path, octets, monkeypatch):
    monkeypatch.setattr(control, "_PATIENCE", 0.3)
    with Serving(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.settimeout(30)
        client.sendall(octets)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""


def test_who_goes_away_while_waiting_takes_nothing_with_it(path):
    with Serving(path, at_once=False) as serving:
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.sendall(b'{"command": "reload"}\n')
        while not serving.answers:
            time.sleep(0.01)
        client.close()
        while serving.server._connections:
            time.sleep(0.01)
        serving.answers[0](b"nobody hears this")
        serving.at_once = True
        assert ask_reload(path, ReloadRequest("reload"))


def test_more_clients_than_there_may_be_wait_their_turn(path, monkeypatch):
    monkeypatch.setattr(control, "_PATIENCE", 0.5)
    with Serving(path):
        idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for client in idle:
            client.connect(path)
        assert ask_reload(path, ReloadRequest("reload"))
        for client in idle:
            client.close()


def test_without_a_descriptor_left_it_rests_instead_of_spinning(path, monkeypatch):
    monkeypatch.setattr(control, "_REST", 0.3)
    with Serving(path) as serving, socket.socket(socket.AF_UNIX) as client:
        real, tries = serving.server._listener, []

        class Exhausted:
            fileno, close = real.fileno, real.close

            def accept(self):
                tries.append(None)
                raise OSError(24, "Too many open files")

        serving.server._listener = Exhausted()
        start = time.monotonic()
        client.connect(path)
        while len(tries) < 3:
            time.sleep(0.01)
        assert time.monotonic() - start > 0.55
        serving.server._listener = real
        assert ask_reload(path, ReloadRequest("reload"))


def test_the_server_ends_without_a_reply(path):
    with Serving(path, at_once=False) as serving:
        threading.Timer(0.2, lambda: [each.close() for each in list(serving.server._connections)]).start()
        with pytest.raises(ControlError, match="ended before"):
            ask_reload(path, ReloadRequest("reload"))


@settings(max_examples=50, deadline=None)
@given(octets=st.binary(max_size=200))
def test_any_octets_leave_it_alive(tmp_path_factory, octets):
    path = str(tmp_path_factory.mktemp("control") / "sock")
    with Serving(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(octets)
        assert ask_reload(path, ReloadRequest("reload"))
