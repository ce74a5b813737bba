"""A child that is started again, with forks and a clock of the test's."""

from doubles import RecordingLog

from blackhole_guard.server.processes import Exit
from blackhole_guard.server.respawn import Respawned


class Log(RecordingLog):
    error = RecordingLog.warning
    info = RecordingLog.warning


class Rig:
    def __init__(self):
        self.now, self.pid, self.fails = 100.0, 10, False
        self.log = Log()
        self.child = Respawned("observer", self.fork, self.log, lambda: self.now)

    def fork(self):
        if self.fails:
            raise OSError(11, "Resource temporarily unavailable")
        self.pid += 1
        return self.pid


def test_it_is_started_again_after_each_death():
    rig = Rig()
    rig.child.start()
    assert rig.child.pid == 11
    assert rig.child.deadline() is None
    assert rig.child.take_exit(Exit(11, 9))
    assert rig.child.pid is None
    rig.child.tick(rig.now)
    assert rig.child.pid == 12
    assert rig.child.take_exit(Exit(12, 9))
    assert rig.child.deadline() == 100.1
    rig.child.tick(100.05)
    assert rig.child.pid is None
    rig.child.tick(100.1)
    assert rig.child.pid == 13
    assert [fields["restart_in"] for _, fields in rig.log.lines] == [0, 0.1]


def test_others_deaths_are_not_its():
    rig = Rig()
    rig.child.start()
    assert not rig.child.take_exit(Exit(99, 0))
    assert rig.child.pid == 11


def test_a_fork_that_fails_is_tried_again():
    rig = Rig()
    rig.fails = True
    rig.child.start()
    rig.child.tick(100.0)
    assert rig.child.deadline() == 100.1
    assert rig.log.lines[0] == ("no observer could be started", {"error": "Resource temporarily unavailable"})
    rig.fails = False
    rig.child.tick(100.1)
    assert rig.child.pid == 11


def test_it_may_be_put_off_and_then_wanted_sooner():
    rig = Rig()
    rig.child.start(1.0)
    rig.child.tick(100.9)
    assert rig.child.pid is None and rig.child.deadline() == 101.0
    rig.child.start()
    assert rig.child.pid == 11
    rig.child.start()
    assert rig.child.pid == 11 and rig.child.deadline() is None


def test_it_may_be_put_off_until_it_is_time():
    rig = Rig()
    rig.child.start(1.0)
    rig.child.tick(101.0)
    assert rig.child.pid == 11


def test_once_stopped_it_stays_down(monkeypatch):
    rig, killed = Rig(), []
    monkeypatch.setattr("blackhole_guard.server.respawn.kill_child", lambda pid, number: killed.append((pid, number)))
    rig.child.start()
    rig.child.stop()
    rig.child.kill()
    assert killed == [(11, 15), (11, 9)]
    assert rig.child.take_exit(Exit(11, 15))
    assert rig.child.deadline() is None
    rig.child.kill()
    assert len(killed) == 2


def test_one_that_is_retired_runs_on_and_is_told_to_end_once(monkeypatch):
    rig, killed = Rig(), []
    monkeypatch.setattr("blackhole_guard.server.respawn.kill_child", lambda pid, number: killed.append((pid, number)))
    rig.child.start()
    rig.child.retire()
    assert killed == []
    rig.child.stop()
    rig.child.stop()
    assert killed == [(11, 15)]
    lines = len(rig.log.lines)
    assert rig.child.take_exit(Exit(11, 15))
    assert rig.child.deadline() is None
    assert len(rig.log.lines) == lines
