"""A server that takes dnstap: its socket from the start to the end, and what is counted of what comes in."""

import os
import signal
import stat
import subprocess
import sys

import pytest
from dnstap_frames import Producer, frame
from peer_processes import scratch
from services import CONNECT_AS, Service, holders
from supervisors import wait_until

SETTINGS = "leaks: {dnstap: {socket: d.sock, users: [daemon]}}\n"
_LABELS = 'block="10.0.0.0/8",certainty="observed",shape="host",sink="as112",via="dnstap"'
OBSERVED = f"blackhole_guard_leaks_observed_total{{{_LABELS}}}"


@pytest.fixture
def service(tmp_path):
    with Service(tmp_path, config=SETTINGS).start() as made:
        wait_until(lambda: made.read("/healthz")[0] == 200)
        yield made


def test_leaks_are_counted_and_the_socket_goes_with_the_server(service, tmp_path):
    path = tmp_path / "d.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert service.sample(OBSERVED) == 0
    with Producer(str(path)).shake_hands() as producer:
        producer.send(frame("CLIENT_QUERY", client="10.0.0.5"), frame("RESOLVER_QUERY", server="192.175.48.6"))
        producer.send(frame("FORWARDER_QUERY", server="127.0.0.1"), frame("FORWARDER_QUERY", server="10.9.9.9"))
        wait_until(lambda: service.sample(OBSERVED) == 1)
        assert service.sample("blackhole_guard_dnstap_producers") == 1
        assert service.sample('blackhole_guard_dnstap_frames_total{type="forwarder_query"}') == 2
    service.stop()
    assert not path.exists()


def test_workers_and_loaders_do_not_have_it(service, tmp_path):
    service.reload()
    assert len(holders(str(tmp_path / "d.sock"))) == 2  # the supervisor, and the observer


def test_a_new_observer_takes_over(service, tmp_path):
    path = str(tmp_path / "d.sock")
    with Producer(path).shake_hands() as producer:
        os.kill(max(holders(path)), signal.SIGKILL)
        assert producer.is_closed()
    with Producer(path, seconds=20).shake_hands() as producer:  # it waits in the backlog meanwhile
        producer.send(frame("RESOLVER_QUERY", server="192.175.48.6"))
        wait_until(lambda: service.read("/healthz")[0] == 200 and service.sample(OBSERVED) == 1)


@pytest.mark.root
@pytest.mark.parametrize(("uid", "refused"), [(1, 0), (65534, 1)])
def test_who_is_not_named_is_sent_away(uid, refused):
    with scratch("dnstap") as folder, Service(folder, config=SETTINGS).start() as service:
        wait_until(lambda: service.read("/healthz")[0] == 200)
        folder.chmod(0o755)
        os.chmod(folder / "d.sock", 0o666)
        words = [sys.executable, "-c", CONNECT_AS, str(folder / "d.sock"), str(uid)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
        assert done.stdout.strip() == ("0" if refused else "waits")
        assert service.sample('blackhole_guard_dnstap_refused_total{reason="uid"}') == refused


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("leaks: {dnstap: {socket: d.sock, users: [nonesuch]}}", "there is no user nonesuch"),
        ("leaks: {dnstap: {socket: missing/d.sock}}", "there is no directory"),
        ("leaks: {dnstap: {socket: d.sock, group: nonesuch}}", "there is no group nonesuch"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(tmp_path, settings, told):
    (tmp_path / "own.yaml").write_text(settings)
    done = Service(tmp_path).run(
        *("serve", "--config", str(tmp_path / "own.yaml"), "--metrics", "127.0.0.1:0", "--listen", "127.0.0.1:0"),
        seconds=20,
    )
    assert done.returncode != 0
    assert "leaks.dnstap." in done.stderr and told in done.stderr


def test_another_servers_socket_is_not_taken(service, tmp_path):
    done = service.run(
        *("serve", "--config", str(service.config), "--metrics", "127.0.0.1:0", "--listen", "127.0.0.1:0"), seconds=20
    )
    assert done.returncode != 0
    assert "another process listens there" in done.stderr
    Producer(str(tmp_path / "d.sock")).shake_hands().sock.close()


def test_without_telemetry_there_is_none_and_the_log_says_so(tmp_path):
    with Service(tmp_path, config=SETTINGS, metrics=False).start() as service:
        assert service.lines("leaks.dnstap.socket does not count")
        assert not (tmp_path / "d.sock").exists()
