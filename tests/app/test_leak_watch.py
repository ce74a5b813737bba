"""What a watch tells the observer of a whole server: over its socket, from the start to the end."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from peer_processes import scratch
from services import CONNECT_AS, Service, holders
from supervisors import wait_until
from test_watch_reports import see

from blackhole_guard.leaks.frame_streams import MAX_FRAME, Control, render_control, render_data
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.leaks.watch_link import WatchLink
from blackhole_guard.leaks.watch_reports import CONTENT_TYPE

_LABELS = 'block="10.0.0.0/8",certainty="observed",shape="host",sink="as112",via="packets"'
OBSERVED = f"blackhole_guard_leaks_observed_total{{{_LABELS}}}"
CONNECTED = "blackhole_guard_watches"
START = render_control(Control.START, CONTENT_TYPE)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path


@contextlib.contextmanager
def start(folder, config=""):
    with Service(folder, "--state-dir", str(folder / "state"), config=config).start() as service:
        wait_until(lambda: is_healthy(service), 20)
        yield service


def is_healthy(service):
    try:
        return service.read("/healthz")[0] == 200
    except OSError:  # the observer may take a while to start where much else is going on
        return False


@pytest.fixture
def service(folder):
    with start(folder) as made:
        yield made


@pytest.fixture
def path(folder):
    return str(folder / "state" / "watch.sock")


@pytest.fixture
def link(service, path):
    made = WatchLink(lambda: [path], lambda state, where: None, time.monotonic())
    yield made
    made.close()


def test_what_is_told_is_in_the_metrics_and_the_socket_goes_with_the_server(service, link, path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    wait_until(lambda: service.sample(CONNECTED) == 1 and service.sample(OBSERVED) == 0)  # before the first leak
    link.add(see())
    link.add(see())
    link.add_wait(Wait(see(), 0.25, 3))
    link.add_wait(Wait(see(), None, None))
    link.turn(time.monotonic(), lost_frames=5)
    wait_until(lambda: service.sample(OBSERVED) == 2)
    for name, value in {
        'leak_responses_total{sink="as112",via="packets"}': 1,
        'leak_response_seconds_total{sink="as112",via="packets"}': 0.25,
        'leaks_unanswered_total{sink="as112",via="packets"}': 1,
        'watch_lost_total{what="frames"}': 5,
        'watch_reports_total{result="malformed"}': 0,
    }.items():
        assert service.sample(f"blackhole_guard_{name}") == value
    assert service.stop() == 0
    assert not os.path.exists(path)


def test_workers_and_loaders_do_not_have_it(service, path):
    service.reload()
    assert len(holders(path)) == 2  # the supervisor, and the observer


def test_a_new_observer_takes_over_and_knows_what_the_old_one_had_kept(service, link):
    link.add(see())
    link.turn(time.monotonic())
    wait_until(lambda: service.sample(OBSERVED) == 1)
    for number in (signal.SIGTERM, signal.SIGKILL):
        observer = service.children()["guard-observer"]
        os.kill(observer, number)
        wait_until(lambda gone=observer: service.children().get("guard-observer", gone) != gone)

        def arrives():
            link.turn(time.monotonic())
            return is_healthy(service) and service.sample(CONNECTED) == 1

        wait_until(arrives, 20)
        link.add(see())
        link.turn(time.monotonic())
        wait_until(lambda: service.sample(OBSERVED) == 1)  # counters begin anew
    assert service.stop() == 0
    done = service.run("top", "--observed", "--state-dir", service.state_dir)
    assert done.returncode == 0, done.stderr
    # The one before the SIGTERM, and the one after the SIGKILL; what lay between had not been saved.
    assert done.stdout.startswith("2 leaks seen by packets from ")
    assert ["10.0.0.53", "10.0.0.3", "2"] in [line.split() for line in done.stdout.splitlines()]


def series(service):
    _, text = service.read()
    return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}


def test_a_hostile_sender_harms_nobody_and_makes_no_series(service, link, path):
    wait_until(lambda: service.sample(OBSERVED) == 0)
    before = series(service)
    for octets in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100,
        render_control(Control.START, b"protobuf:dnstap.Dnstap"),
        START + (MAX_FRAME + 1).to_bytes(4),
        START + render_data(b"no report", os.urandom(1000), bytes(MAX_FRAME)),
        START + render_data(b"\xc1") * 1000,
    ):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(octets)
    wait_until(lambda: service.metric('blackhole_guard_watch_reports_total{result="malformed"}') == 1003)
    link.add(see())
    link.turn(time.monotonic())
    wait_until(lambda: service.sample(OBSERVED) == 1)
    assert series(service) == before
    assert service.children()["guard-observer"]


@pytest.mark.root
@pytest.mark.parametrize(
    ("uid", "config", "refused"), [(1, "leaks: {watch: {users: [daemon]}}", 0), (1, "", 1), (65534, "", 1)]
)
def test_who_is_not_named_is_sent_away(uid, config, refused):
    with scratch("watch") as folder:
        (folder / "state").mkdir()
        with start(folder, config) as service:
            for directory in (folder, folder / "state"):
                directory.chmod(0o755)
            path = folder / "state" / "watch.sock"
            os.chmod(path, 0o666)
            words = [sys.executable, "-c", CONNECT_AS, str(path), str(uid)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
            assert done.stdout.strip() == ("0" if refused else "waits")
            assert service.sample('blackhole_guard_watch_refused_total{reason="uid"}') == refused


def test_a_unit_has_it_in_its_runtime_directory(folder):
    (folder / "run").mkdir()
    service = Service(
        *(folder, "--state-dir", str(folder / "state")), environ={"RUNTIME_DIRECTORY": str(folder / "run")}
    )
    with service.start():
        assert [each.name for each in (folder / "run").iterdir()] == ["watch.sock"]
        assert not (folder / "state" / "watch.sock").exists()


def test_it_is_where_a_setting_says(folder):
    with start(folder, "leaks: {watch: {socket: here.sock}}"):
        assert (folder / "here.sock").is_socket()


def test_switched_off_there_is_none(folder, path):
    with start(folder, "leaks: {watch: {enabled: false}}") as service:
        assert not os.path.exists(path)
        assert service.sample(CONNECTED) is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("leaks: {watch: {users: [nonesuch]}}", "there is no user nonesuch"),
        ("leaks: {watch: {socket: missing/w.sock}}", "there is no directory"),
        ("leaks: {watch: {group: nonesuch}}", "there is no group nonesuch"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(tmp_path, settings, told):
    (tmp_path / "own.yaml").write_text(settings)
    done = Service(tmp_path).run(
        *("serve", "--config", str(tmp_path / "own.yaml"), "--metrics", "127.0.0.1:0", "--listen", "127.0.0.1:0"),
        seconds=20,
    )
    assert done.returncode != 0
    assert "leaks.watch." in done.stderr and told in done.stderr


def test_a_directory_with_too_long_a_name_is_no_reason_not_to_serve(tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with Service(tmp_path, "--state-dir", str(long)).start() as service:
        assert service.lines("watch cannot report here")
        assert not Path(long, "watch.sock").exists()
