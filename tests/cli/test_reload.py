"""`reload`, against a control socket whose server is played."""

import json
import os
import socket
import tempfile
import threading

import pytest

from blackhole_guard.cli import running_server
from blackhole_guard.server.statedir import open_state_dir

LOADED = {"result": "loaded", "text": "104 zones, 13 records, 1 change"}
FAILED = {
    "result": "failed",
    "text": "1 error in the sources; the old zones are served",
    "problems": [
        {
            "place": {"file": "zones/web.yaml", "line": 4},
            "what": "192.168.7.9 lies outside 10.0.0.0/8",
            "hint": "move it",
        }
    ],
}


@pytest.fixture(autouse=True)
def nothing_else(tmp_path, monkeypatch):
    """Out of sight: the machine's own server, and private directories of others."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(running_server, "UNIT_STATE_DIR", str(tmp_path / "unit"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


class Played:
    """A server that answers one request."""

    def __init__(self, folder, reply):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(folder, "control.sock"))
        self._listener.listen()
        self._reply = reply if isinstance(reply, bytes) else json.dumps(reply).encode() + b"\n"
        self.asked = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        client, _ = self._listener.accept()
        with client:
            self.asked = json.loads(client.recv(4096))
            client.sendall(self._reply)

    def close(self):
        self._thread.join(5)
        self._listener.close()


@pytest.fixture
def play(tmp_path):
    servers = []

    def play(reply, folder=None):
        folder = folder or str(tmp_path / "state")
        os.makedirs(folder, exist_ok=True)
        servers.append(Played(folder, reply))
        return servers[-1]

    yield play
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (LOADED, 0),
        ({"result": "unchanged", "text": "the sources are what they were"}, 0),
        (FAILED, 1),
        ({"result": "refused", "text": "90 of 100 records would go"}, 1),
    ],
)
def test_exit_code_and_text(run, play, reply, code):
    play(reply)
    done = run("reload", "--state-dir", "state")
    assert done.code == code
    assert done.out == f"{reply['result']}: {reply['text']}\n"
    assert done.err == "".join(
        "zones/web.yaml:4: 192.168.7.9 lies outside 10.0.0.0/8; move it\n" for _ in reply.get("problems", ())
    )


def test_a_warning_says_that_it_is_one(run, play):
    problem = {"place": {"file": "a.yaml"}, "what": "the file holds no map", "hint": "", "severity": "warning"}
    play({**LOADED, "problems": [problem]})
    assert run("reload", "--state-dir", "state").err == "a.yaml: warning: the file holds no map\n"


def test_force_is_passed_on(run, play):
    server = play(LOADED)
    run("reload", "--state-dir", "state", "--force")
    assert server.asked == {"command": "reload", "force": True}


def test_json_is_the_whole_report(run, play):
    play({**FAILED, "seconds": 0.5})
    done = run("reload", "--state-dir", "state", "--json")
    assert done.code == 1
    assert json.loads(done.out) == {**FAILED, "seconds": 0.5}


@pytest.mark.parametrize("reply", [b"", b"nonsense\n", b'{"result": 5}\n'])
def test_replies_that_are_none(run, play, reply):
    play(reply)
    done = run("reload", "--state-dir", "state")
    assert done.code == 1
    assert done.err


def test_what_a_server_says_is_made_safe_for_a_terminal(run, play):
    play({"result": "failed", "text": "\x1b[2J", "problems": [{"place": {"file": "\x1b[2J"}, "what": "x"}]})
    done = run("reload", "--state-dir", "state")
    assert "\x1b" not in done.out + done.err


def test_nobody_there(run):
    done = run("reload", "--state-dir", "state")
    assert done.code == 1
    assert "no server listens on state/control.sock" in done.err


class TestFinding:
    def test_by_the_settings(self, run, play, write, tmp_path):
        write(config=f"server: {{state_dir: {tmp_path}/elsewhere}}")
        play(LOADED, f"{tmp_path}/elsewhere")
        assert run("reload", "--config", "config.yaml").code == 0

    def test_by_systemds_variable(self, run, play, tmp_path, monkeypatch):
        state = open_state_dir(str(tmp_path / "of-systemd"), None)
        monkeypatch.setenv("STATE_DIRECTORY", f"{state.path}:/another")
        monkeypatch.setattr(
            running_server, "is_held", lambda path: path == state.path
        )  # its lock is this process's own
        play(LOADED, state.path)
        assert run("reload").code == 0
        state.close()

    def test_by_the_directory_of_the_unit(self, run, play, tmp_path, monkeypatch):
        monkeypatch.setattr(running_server, "is_held", lambda path: path == str(tmp_path / "unit"))
        play(LOADED, str(tmp_path / "unit"))
        assert run("reload").code == 0

    def test_the_only_one_that_runs(self, run, play, tmp_path, monkeypatch):
        monkeypatch.setattr(running_server, "find_running", lambda: [str(tmp_path / "private")])
        play(LOADED, str(tmp_path / "private"))
        assert run("reload").code == 0

    def test_several_that_run(self, run, monkeypatch):
        monkeypatch.setattr(running_server, "find_running", lambda: ["/tmp/one", "/tmp/two"])
        done = run("reload")
        assert done.code == 1
        assert "/tmp/one" in done.err and "/tmp/two" in done.err and "--state-dir" in done.err

    def test_none_and_settings_that_are_broken(self, run, write):
        write(config="server: {state_dri: x}")
        done = run("reload", "--config", "config.yaml")
        assert done.code == 1
        assert "did you mean `state_dir`?" in done.err
        assert "no server of this user runs" in done.err
