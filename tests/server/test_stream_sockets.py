"""Unix sockets for other programs: their mode, their owner, what lay at their place before, and what is told."""

import contextlib
import os
import socket
import stat

import pytest
from peer_processes import scratch

from blackhole_guard.server.listen import ListenError
from blackhole_guard.server.privileges import User
from blackhole_guard.server.stream_sockets import find_uids, open_stream_socket

NOBODY = User("nobody", 65534, 65534)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "d.sock")


def open_at(path, user=None, group=None):
    return contextlib.closing(open_stream_socket(path, "leaks.dnstap.socket", user=user, group=group))


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
def test_owner_and_group_may_connect_whatever_the_umask_was(path, umask):
    before = os.umask(umask)
    try:
        with open_at(path):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        assert os.umask(umask) == umask
    finally:
        os.umask(before)


def test_it_takes_connections(path):
    with open_at(path) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        listener.accept()[0].close()


def test_what_a_dead_server_left_is_replaced(path):
    with open_at(path):
        pass
    assert os.path.exists(path)
    with open_at(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_where_somebody_listens_there_is_no_place(path):
    with open_at(path), pytest.raises(ListenError, match=r"leaks\.dnstap\.socket: .*another process listens there"):
        open_stream_socket(path, "leaks.dnstap.socket", user=None, group=None)


def test_nor_when_its_backlog_is_full(path):
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(path)
        busy.listen(0)
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        with pytest.raises(ListenError, match="another process listens there"):
            open_stream_socket(path, "leaks.dnstap.socket", user=None, group=None)


def test_a_file_that_is_no_socket_stays(path):
    with open(path, "w") as file:
        file.write("mine")
    with pytest.raises(ListenError, match="something else that is no socket"):
        open_stream_socket(path, "leaks.dnstap.socket", user=None, group=None)
    with open(path) as file:
        assert file.read() == "mine"


def test_a_link_is_not_followed(path, tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    os.symlink(target, path)
    with pytest.raises(ListenError, match="no socket"):
        open_stream_socket(path, "leaks.dnstap.socket", user=None, group=None)
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "hint"), [("missing/d.sock", "there is no directory"), ("x" * 120, "107 octets at most")]
)
def test_what_is_wrong_with_a_path_is_told(tmp_path, name, hint):
    with pytest.raises(ListenError, match=hint):
        open_stream_socket(str(tmp_path / name), "leaks.dnstap.socket", user=None, group=None)


def test_a_group_that_there_is_not_is_told(path):
    with pytest.raises(ListenError, match=r"no group nonesuch.*groupadd"):
        open_stream_socket(path, "leaks.dnstap.socket", user=None, group="nonesuch")


def test_a_number_that_no_group_can_have_is_told(path):
    with pytest.raises(ListenError, match=r"99999999999 is no number of a group; 4294967294 is the highest"):
        open_stream_socket(path, "leaks.dnstap.socket", user=None, group="99999999999")


@pytest.mark.root
@pytest.mark.parametrize(("group", "gid"), [(None, 65534), ("12", 12), ("daemon", 1)])
def test_the_file_is_the_later_users_and_the_groups(group, gid):
    with scratch("sockets") as folder:
        os.chown(folder, NOBODY.uid, NOBODY.gid)
        path = str(folder / "d.sock")
        with open_at(path, NOBODY, group):
            status = os.stat(path)
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (NOBODY.uid, gid, 0o660)
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.root
def test_root_may_give_it_to_a_group(path):
    with open_at(path, None, "12"):
        assert os.stat(path).st_gid == 12


@pytest.mark.root
def test_the_later_user_must_be_able_to_write_there(path, tmp_path):
    tmp_path.chmod(0o755)
    with pytest.raises(ListenError, match="the user of this server must be able to write"):
        open_stream_socket(path, "leaks.dnstap.socket", user=NOBODY, group=None)


def test_users_are_found_by_name_or_number():
    assert find_uids(("daemon", "112"), "leaks.dnstap.users", user=None) == {0, os.geteuid(), 1, 112}
    assert find_uids((), "leaks.dnstap.users", user=NOBODY) == {0, 65534}


def test_all_users_that_there_are_not_are_told():
    with pytest.raises(ListenError) as caught:
        find_uids(("nonesuch", "daemon", "neither"), "leaks.dnstap.users", user=None)
    assert [problem.rpartition("no user ")[2].partition(";")[0] for problem in caught.value.problems] == [
        "nonesuch",
        "neither",
    ]
