"""The units in systemd/: what systemd itself says of them, and what docs and program rely on."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from peer_programs import find_program

import blackhole_guard
from blackhole_guard.server.sockets import BACKLOG, BUFFER
from blackhole_guard.server.statedir import UNIT_RUNTIME_DIR, UNIT_STATE_DIR

FOLDER = Path(blackhole_guard.__file__).parent.parent / "systemd"
UNITS = ("blackhole-guard.service", "blackhole-guard.socket", "blackhole-guard-watch.service")
INSTALLED = "/opt/blackhole-guard/bin/blackhole-guard"

pytestmark = pytest.mark.peers("systemd-analyze")


class Unit(dict):
    """A unit's sections; a key that stands there several times has a list of values."""

    def __init__(self, path):
        section = {}
        for line in path.read_text().splitlines():
            if line.startswith("["):
                section = self.setdefault(line.strip("[]"), {})
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                section.setdefault(key, []).append(value)


@pytest.fixture
def units(tmp_path):
    """The units, for a program that is installed here."""
    program = tmp_path / "blackhole-guard"
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o755)
    for name in UNITS:
        (tmp_path / name).write_text((FOLDER / name).read_text().replace(INSTALLED, str(program)))
    return [str(tmp_path / name) for name in UNITS]


def analyze(*words):
    done = subprocess.run([find_program("systemd-analyze"), *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_systemd_finds_nothing_to_complain_of(units):
    assert analyze("verify", "--man=no", *units) == (0, "")


def test_systemd_would_complain_of_a_mistake(units):
    service = Path(units[0])
    service.write_text(service.read_text().replace("ProtectClock=yes", "ProtectClok=yes"))
    assert "ProtectClok" in analyze("verify", "--man=no", *units)[1]


def test_exposure_is_at_most_1_5(units):
    code, text = analyze("security", "--offline=true", "--threshold=15", "--no-pager", units[0])
    assert code == 0, text


def test_the_service_relies_on_what_the_program_does():
    service = Unit(FOLDER / UNITS[0])["Service"]
    assert service["Type"] == ["notify"]
    assert service["ExecStart"] == [f"{INSTALLED} serve"]
    assert service["ExecReload"] == [f"{INSTALLED} reload"]
    assert service["CapabilityBoundingSet"] == [""]
    assert f"/var/lib/{service['StateDirectory'][0]}" == UNIT_STATE_DIR
    assert f"/run/{service['RuntimeDirectory'][0]}" == UNIT_RUNTIME_DIR
    assert service["KillMode"] == ["mixed"]  # SIGTERM is the supervisor's: it has its children end
    assert float(service["TimeoutStopSec"][0]) > 5.5  # what the supervisor gives its workers


def test_the_watch_has_one_capability_and_may_speak_to_nobody_but_the_observer(units):
    code, text = analyze("security", "--offline=true", "--threshold=15", "--no-pager", units[2])
    assert code == 0, text
    service = Unit(FOLDER / UNITS[2])["Service"]
    assert service["ExecStart"] == [f"{INSTALLED} watch"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ["CAP_NET_RAW"]
    assert service["RestrictAddressFamilies"] == ["AF_PACKET AF_UNIX"]
    assert service["User"] == Unit(FOLDER / UNITS[0])["Service"]["User"]  # whom the observer lets in
    assert "PrivateUsers" not in service
    assert service["KillSignal"] == ["SIGINT"]
    assert service["SystemCallFilter"][-1] == "capset"  # by which it gives the capability up


def test_priorities_may_be_changed():
    """Without them a load would take turns with the workers."""
    filters = Unit(FOLDER / UNITS[0])["Service"]["SystemCallFilter"]
    assert filters[0] == "@system-service"
    refused = next(number for number, line in enumerate(filters) if line.startswith("~") and "@resources" in line)
    allowed = {word for line in filters[refused + 1 :] if not line.startswith("~") for word in line.split()}
    assert allowed >= {"sched_setscheduler", "setpriority", "sched_setattr"}


def test_the_sockets_come_in_pairs_and_with_the_programs_own_sizes():
    sockets = Unit(FOLDER / UNITS[1])["Socket"]
    assert sockets["ListenDatagram"] == sockets["ListenStream"] == ["127.0.0.1:53", "[::1]:53"]
    for key in ("ReceiveBuffer", "SendBuffer"):
        assert sockets[key] == [f"{BUFFER >> 20}M"]
    assert sockets["Backlog"] == [str(BACKLOG)]


def test_the_sysctl_file_asks_for_the_programs_own_sizes():
    parser = configparser.ConfigParser()
    parser.read_string("[all]\n" + (FOLDER / "sysctl.d" / "60-blackhole-guard.conf").read_text())
    assert dict(parser["all"]) == {"net.core.rmem_max": str(BUFFER), "net.core.wmem_max": str(BUFFER)}
