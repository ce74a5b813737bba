"""Giving up privileges."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from doubles import in_child

from blackhole_guard.server import privileges, system
from blackhole_guard.server.privileges import PrivilegeError, User, acting_as, drop_privileges, find_user


def status():
    """What /proc says of this process."""
    with open("/proc/self/status") as file:
        return {name: value.strip() for name, value in (line.split(":", 1) for line in file)}


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("nobody", User("nobody", 65534, 65534)),
        ("65534", User("65534", 65534, 65534)),
        ("nobody:daemon", User("nobody:daemon", 65534, 1)),
        ("nobody:1", User("nobody:1", 65534, 1)),
        ("4242:4243", User("4242:4243", 4242, 4243)),  # a container need not list its users
    ],
)
def test_users_are_found(text, user):
    assert find_user(text) == user


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nobody-of-the-kind", "there is no user nobody-of-the-kind; `useradd"),
        ("4242", "there is no user 4242"),
        ("nobody:no-such-group", "there is no group no-such-group; `groupadd"),
        ("root", "root is whom the drop is from"),
        ("0", "root is whom the drop is from"),
    ],
)
def test_users_that_there_are_not(text, what):
    with pytest.raises(PrivilegeError, match=what):
        find_user(text)


@pytest.fixture
def open_tmp():
    """A directory that every user can enter and write to; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o777)
        yield Path(path)


@pytest.mark.root
class TestRoot:
    def test_everything_is_given_up_for_good(self):
        def check():
            os.setgroups([0, 4, 24])
            drop_privileges(find_user("nobody:daemon"))
            assert os.getresuid() == (65534,) * 3
            assert os.getresgid() == (1,) * 3
            assert os.getgroups() == []
            found = status()
            for mask in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(found[mask], 16) == 0
            assert found["NoNewPrivs"] == "1"
            with pytest.raises(PermissionError):
                os.setuid(0)

        in_child(check)

    def test_children_can_still_be_tied_to_us_and_count_their_descriptors(self):
        def check():
            drop_privileges(find_user("nobody"))
            assert system.die_with_parent(os.getppid())
            assert system.spare_descriptors(0) > 10
            system.name_process("nobody")
            system.offer_to_oom_killer(100)  # /proc/self is root's by now: nothing happens

        in_child(check)

    def test_a_drop_that_did_nothing_is_noticed(self, monkeypatch):
        def check():
            monkeypatch.setattr(os, "setresuid", lambda *ids: None)
            with pytest.raises(PrivilegeError, match=r"CapEff=.*a user or group id is left"):
                drop_privileges(find_user("nobody"))

        in_child(check)

    def test_groups_that_stay_are_noticed(self, monkeypatch):
        def check():
            os.setgroups([4])
            monkeypatch.setattr(os, "setgroups", lambda groups: None)
            with pytest.raises(PrivilegeError, match="supplementary groups is left"):
                drop_privileges(find_user("nobody"))

        in_child(check)

    def test_a_root_that_may_not_change_users(self):
        def check():
            system.drop_capabilities()
            with pytest.raises(PrivilegeError, match="a container needs CAP_SETUID and CAP_SETGID"):
                drop_privileges(find_user("nobody"))

        in_child(check)

    def test_capabilities_of_a_process_that_is_not_root(self):
        code = (
            "from blackhole_guard.server.privileges import drop_privileges, _capabilities\n"
            "assert _capabilities()['CapEff']\n"
            "drop_privileges(None)\n"
            "assert not any(_capabilities().values()), _capabilities()\n"
        )
        capability = "+net_bind_service"
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={capability}"]
        done = subprocess.run(
            [*words, f"--ambient-caps={capability}", sys.executable, "-c", code], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def test_files_are_made_as_the_user(self, open_tmp):
        def check():
            with acting_as(find_user("nobody")):
                (open_tmp / "file").touch()
                with pytest.raises(PermissionError):
                    Path("/etc/shadow").read_bytes()
            assert os.geteuid() == 0
            assert os.getegid() == 0
            assert (open_tmp / "file").stat().st_uid == 65534

        in_child(check)

    def test_who_is_not_root_cannot_become_another(self):
        def check():
            os.setresuid(1, 1, 1)
            with pytest.raises(PrivilegeError, match="only root can"):
                drop_privileges(find_user("nobody"))
            with acting_as(find_user("nobody")):
                assert os.geteuid() == 1

        in_child(check)

    def test_who_is_that_user_already_need_not_become_it(self):
        def check():
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            drop_privileges(find_user("nobody"))
            assert status()["NoNewPrivs"] == "1"

        in_child(check)


def test_without_a_user_nothing_more_can_be_gained():
    def check():
        before = os.getresuid()
        drop_privileges(None)
        assert os.getresuid() == before
        assert status()["NoNewPrivs"] == "1"

    in_child(check)


def test_the_masks_that_are_read():
    assert set(privileges._capabilities()) == {"CapEff", "CapPrm", "CapAmb"}
