"""The state directory: one server's at a time, and left clean."""

import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path

import pytest
from doubles import FORK, in_child

from blackhole_guard.server.privileges import User
from blackhole_guard.server.statedir import LOCK, StateDirError, find_running, is_held, open_state_dir


@pytest.fixture
def tmp(tmp_path, monkeypatch):
    """A temporary directory that private directories are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holding(path, user=None):
    """A process that has the directory; returns it and the pipe that it says its path through."""
    here, there = FORK.Pipe(duplex=False)

    def hold():
        state = open_state_dir(path, user)
        there.send(state.path)
        time.sleep(60)

    process = FORK.Process(target=hold)
    process.start()
    there.close()
    assert here.poll(10)
    path = here.recv()
    here.close()
    return process, path


def end(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join(5)


def test_it_is_made_for_its_owner_and_group(tmp_path):
    path = tmp_path / "a" / "state"
    before = os.umask(0o027)
    state = open_state_dir(str(path), None)
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert (path / LOCK).read_text() == f"{os.getpid()}\n"
    assert state.control == str(path / "control.sock")
    assert not state.private
    state.close()
    assert path.is_dir()


def test_a_second_server_is_refused_with_the_first_ones_pid(tmp_path):
    process, path = holding(str(tmp_path))
    assert is_held(path)
    with pytest.raises(StateDirError, match=rf"another blackhole-guard \(pid {process.pid}\) has the state directory"):
        open_state_dir(path, None)
    end(process)
    assert not is_held(path)
    open_state_dir(path, None).close()


def test_a_holder_that_has_not_said_its_pid(tmp_path):
    process, path = holding(str(tmp_path))
    Path(path, LOCK).write_text("")
    with pytest.raises(StateDirError, match="has not said its pid"):
        open_state_dir(path, None)
    Path(path, LOCK).unlink()  # by somebody's hand: then nobody can know
    open_state_dir(path, None).close()
    end(process)


def test_children_neither_hold_the_lock_nor_lose_it(tmp_path):
    def refused():
        with pytest.raises(StateDirError):
            open_state_dir(str(tmp_path), None)

    def check():
        state = open_state_dir(str(tmp_path), None)

        def child():
            state.leave()
            assert is_held(str(tmp_path))

        in_child(child)
        in_child(refused)
        state.close()

    in_child(check)


def test_a_private_directory_is_only_ours_and_goes_with_us(tmp):
    state = open_state_dir(None, None)
    assert state.private
    assert stat.S_IMODE(os.stat(state.path).st_mode) == 0o700
    assert os.path.dirname(state.path) == str(tmp)
    Path(state.path, "snapshot.mdb").write_text("x")
    state.close()
    assert list(tmp.iterdir()) == []


def test_private_directories_of_dead_servers_are_swept_those_of_living_ones_stay(tmp):
    living, stays = holding(None)
    dead, goes = holding(None)
    end(dead)
    young = tmp / "blackhole-guard-private-young"  # is just being made
    young.mkdir()
    old = tmp / "blackhole-guard-private-old"
    old.mkdir()
    os.utime(old, (0, 0))
    other = tmp / "something-else"
    other.mkdir()
    (tmp / "blackhole-guard-private-link").symlink_to(other)
    assert os.path.exists(goes)
    open_state_dir(None, None).close()
    assert not os.path.exists(goes)
    assert not old.exists()
    assert os.path.exists(stays)
    assert young.exists() and other.exists()
    assert find_running() == [stays]
    end(living)
    assert find_running() == []


def test_what_others_keep_under_a_like_name_stays(tmp):
    state = open_state_dir(str(tmp / "blackhole-guard-office"), None)  # an operator's, whose server is stopped
    Path(state.path, "journal.mdb").write_text("serials")
    state.close()
    full = tmp / "blackhole-guard-private-notes"
    full.mkdir()
    (full / "notes").write_text("x")
    os.utime(full, (0, 0))
    open_state_dir(None, None).close()
    assert Path(state.path, "journal.mdb").exists() and (full / "notes").exists()


def test_a_directory_that_is_swept_before_it_is_locked_is_made_anew(tmp, monkeypatch):
    made = []
    mkdtemp = tempfile.mkdtemp

    def swept_once(prefix):
        path = mkdtemp(prefix=prefix)
        made.append(path)
        if len(made) == 1:
            Path(path, LOCK).touch()
            process, _ = holding(path)  # another one's sweep has it by now
            made.append(process)
        return path

    monkeypatch.setattr(tempfile, "mkdtemp", swept_once)
    state = open_state_dir(None, None)
    assert state.path == made[2]
    state.close()
    end(made[1])


def test_a_directory_that_is_swept_while_it_is_locked_is_made_anew(tmp, monkeypatch):
    """The sweep had the lock first, and removed everything before ours was granted."""
    lockf, swept = fcntl.lockf, []

    def late(descriptor, *how):
        if not swept:
            (path,) = tmp.iterdir()
            swept.append(path)
            shutil.rmtree(path)
        return lockf(descriptor, *how)

    monkeypatch.setattr(fcntl, "lockf", late)
    state = open_state_dir(None, None)
    assert os.path.isdir(state.path) and state.path != str(swept[0])
    state.close()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.write_text("a file"), "cannot be used: not a directory|cannot be used: file exists"),
        (lambda path: (path.mkdir(), (path / LOCK).symlink_to("/etc/passwd")), "cannot be used: too many levels"),
        (lambda path: path.symlink_to("nowhere/at/all"), "cannot be used: file exists"),
    ],
)
def test_what_cannot_be_a_state_directory(tmp_path, make, text):
    path = tmp_path / "state"
    make(path)
    with pytest.raises(StateDirError, match=f"(?i){text}"):
        open_state_dir(str(path), None)


def test_no_place_for_a_temporary_directory(tmp, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp / "nowhere"))
    with pytest.raises(StateDirError, match=r"set `server.state_dir`"):
        open_state_dir(None, None)


@pytest.mark.root
class TestAnotherUser:
    NOBODY = User("nobody", 65534, 65534)

    @pytest.fixture
    def open_tmp(self):
        """A directory that every user can enter; pytest's own are for their owner alone."""
        with tempfile.TemporaryDirectory() as path:
            os.chmod(path, 0o755)
            yield Path(path)

    def test_a_new_directory_is_the_users_and_so_is_what_is_in_it(self, open_tmp):
        state = open_state_dir(str(open_tmp / "state"), self.NOBODY)
        assert os.stat(state.path).st_uid == 65534
        assert os.stat(state.path).st_gid == 65534
        assert os.stat(os.path.join(state.path, LOCK)).st_uid == 65534
        assert os.geteuid() == 0
        state.close()

    def test_directories_above_a_new_one_can_be_entered(self, open_tmp):
        before = os.umask(0o077)
        state = open_state_dir(str(open_tmp / "a" / "b" / "state"), self.NOBODY)
        assert os.umask(before) == 0o077
        assert [os.stat(open_tmp / each).st_mode & 0o7777 for each in ("a", "a/b")] == [0o755, 0o755]
        assert [os.stat(open_tmp / each).st_uid for each in ("a", "a/b", "a/b/state")] == [0, 0, 65534]
        state.close()

    @pytest.mark.parametrize("with_lock", [False, True])
    def test_a_directory_that_the_user_cannot_write_to(self, open_tmp, with_lock):
        (open_tmp / "state").mkdir(mode=0o755)
        if with_lock:  # from when the directory was its own
            (open_tmp / "state" / LOCK).touch()
            os.chown(open_tmp / "state" / LOCK, 65534, 65534)
        with pytest.raises(StateDirError, match=r"nobody cannot write to .*; `chown -R nobody "):
            open_state_dir(str(open_tmp / "state"), self.NOBODY)
        assert os.geteuid() == 0

    def test_a_user_without_privileges_is_named(self, open_tmp):
        def check():
            os.setresuid(65534, 65534, 65534)
            with pytest.raises(StateDirError, match=r"^nobody cannot make .*; `mkdir -p .*state && chown nobody "):
                open_state_dir(str(open_tmp / "state"), None)
            with pytest.raises(StateDirError, match=r"^nobody cannot write to "):
                open_state_dir(str(open_tmp), None)

        in_child(check)

    def test_a_user_that_has_no_name(self, open_tmp):
        def check():
            os.setresuid(54321, 54321, 54321)
            with pytest.raises(StateDirError, match=r"^54321 cannot write to .*; `chown -R 54321 "):
                open_state_dir(str(open_tmp), None)

        in_child(check)

    def test_a_file_system_that_cannot_be_written_to(self, tmp_path):
        with pytest.raises(StateDirError, match=r"cannot be written to|cannot be used"):
            open_state_dir("/proc/self/state", None)

    def test_a_private_directory_of_the_user(self, open_tmp, monkeypatch):
        open_tmp.chmod(0o777)
        monkeypatch.setattr(tempfile, "tempdir", str(open_tmp))
        state = open_state_dir(None, self.NOBODY)
        assert os.stat(state.path).st_uid == 65534
        state.close()
