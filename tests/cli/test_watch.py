"""`watch`, as far as it goes without traffic; the rest is in tests/peers."""

import os
import socket
import subprocess
import sys

import pytest

from blackhole_guard.cli import running_server
from blackhole_guard.cli.watch import LINES, _Printer
from blackhole_guard.leaks.evidence import Certainty, Leak, Sighting, Via, judge
from blackhole_guard.wire.names import pack_name


def leak() -> Leak:
    sighting = Sighting(
        1.5, Via.PACKETS, pack_name("3.0.0.10.in-addr.arpa"), 65280, 1, sender=bytes(4), server=bytes(4)
    )
    judged = judge(sighting, Certainty.OBSERVED)
    assert judged is not None
    return judged


def test_wrong_use(run):
    assert run("watch", "--seconds", "0").code == 2
    assert run("watch", "--count", "0").code == 2


@pytest.mark.root
def test_an_interface_that_is_not_there(run):
    done = run("watch", "nowhere\x1b0", "--seconds", "1")
    assert done.code == 1
    assert "cannot watch nowhere\\0270: No such device" in done.err


def test_a_flood_is_cut_down(capsys):
    printer = _Printer(as_json=False)
    for _ in range(100):
        printer.leak(leak())
    printer.turn(end=True)
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if line.endswith("as112 10.0.0.0/8 other TYPE65280 3.0.0.10.in-addr.arpa.")]
    assert LINES <= len(shown) <= 2 * LINES  # a second may end meanwhile
    assert sum(int(line[1:].split()[0]) for line in lines if "suppressed" in line) == 100 - len(shown)


# Prints which modules come in after the drop: whom root becomes may not be able to read them.
LATE = """
import sys
from blackhole_guard.cli import watch
from blackhole_guard.cli.main import main
drop = watch.give_up_privileges
def dropped(user):
    drop(user)
    global known
    known = set(sys.modules)
watch.give_up_privileges = dropped
try:
    main(sys.argv[1:])
finally:
    print("late:", *sorted(set(sys.modules) - known), file=sys.stderr)
"""


@pytest.fixture
def watch(tmp_path):
    """Run `watch` in a process of its own: it gives up being root."""

    def watch(*words, program=("-m", "blackhole_guard")):
        command = [sys.executable, *program, "watch", *words]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)

    return watch


class Keeper:
    """A server's socket for watches, and who knocks there."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.listener.settimeout(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def test_no_number_is_no_time(watch):
    done = watch("--seconds", "nan")
    assert done.returncode == 2
    assert done.stderr.endswith("Error: --seconds: nan is no time\n")


@pytest.mark.root
def test_it_reports_to_the_server_of_the_settings(watch, tmp_path):
    (tmp_path / "own.yaml").write_text("server: {state_dir: state}\n")
    (tmp_path / "state").mkdir()
    with Keeper(tmp_path / "state" / "watch.sock") as keeper:
        done = watch("--seconds", "0.1", "--config", str(tmp_path / "own.yaml"))
        assert f"reporting to the observer at {tmp_path}/state/watch.sock" in done.stderr
        keeper.listener.accept()[0].close()


@pytest.mark.root
@pytest.mark.parametrize(("words", "said"), [(("--state-dir", "nowhere"), True), (("--no-report",), False)])
def test_without_a_server_it_says_so_and_goes_on(watch, words, said):
    done = watch("--seconds", "0.1", *words)
    assert ("no server is found to report to" in done.stderr) is said
    assert "watching all interfaces" in done.stderr
    assert done.returncode in (0, 1)


@pytest.mark.root
@pytest.mark.untraced  # nobody may not write coverage's data, and would say so
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_nothing_is_imported_once_it_is_no_longer_root(watch, words):
    done = watch("--seconds", "0.1", "--state-dir", "nowhere", *words, program=("-c", LATE))
    assert done.returncode in (0, 1)
    assert done.stderr.splitlines()[-1] == "late:"


def test_sockets_are_looked_for_where_servers_have_them(tmp_path, monkeypatch):
    monkeypatch.setattr(running_server, "find_running", lambda *, everybody: ["/tmp/private"] if not everybody else [])
    find = running_server.find_watch_sockets
    assert find(None, "there")() == ["there/watch.sock"]
    (tmp_path / "a.yaml").write_text("leaks: {watch: {socket: w}}\n")
    assert find(str(tmp_path / "a.yaml"), None)() == [str(tmp_path / "w")]
    (tmp_path / "b.yaml").write_text("server: {state_dir: /state}\n")
    assert find(str(tmp_path / "b.yaml"), None)() == [
        *("/state/watch.sock", "/run/blackhole-guard/watch.sock", "/var/lib/blackhole-guard/watch.sock"),
        "/tmp/private/watch.sock",
    ]


def test_once_it_is_another_user_private_directories_are_out_of_the_question(monkeypatch):
    monkeypatch.setattr(running_server, "find_running", lambda *, everybody: ["/tmp/private"])
    find = running_server.find_watch_sockets(os.devnull, None)
    assert "/tmp/private/watch.sock" in find()
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert "/tmp/private/watch.sock" not in find()
