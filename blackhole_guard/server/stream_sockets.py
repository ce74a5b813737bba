"""Unix sockets that other programs connect to: made where the operator says, for whom the operator says.

unix(7): who may write to the socket file may connect. The mode is set by the umask, before the file is there.
"""

import contextlib
import errno
import grp
import os
import pwd
import socket
import stat

from blackhole_guard.server.listen import ListenError
from blackhole_guard.server.privileges import User, acting_as

_LONGEST_NAME = 107  # octets of a unix socket's address (unix(7))
_UMASK = 0o117  # leaves 0660
_BACKLOG = 128
_HIGHEST_GROUP = 2**32 - 2  # gid_t has 32 bits, of which all set means none (chown(2))


def open_stream_socket(path: str, setting: str, *, user: User | None, group: str | None) -> socket.socket:
    """Listen on a unix stream socket; what a dead server left at its path is replaced.

    Args:
        path: where.
        setting: the name of the setting that says so, for messages.
        user: whom this process becomes later: whose the file shall be.
        group: name or number of the file's group; None: the user's.
    Raises:
        ListenError: it cannot be made there, or somebody listens there.
    """
    try:
        gid = None if group is None else _find_group(group)
        owner = User("", os.geteuid(), os.getegid()) if user is None else user
        with acting_as(owner if gid is None else owner._replace(gid=gid)):
            _clear(path)
            sock = _listen(path)
        try:
            if gid is not None and os.stat(path).st_gid != gid:
                os.chown(path, -1, gid)  # who is not root may give it to a group of its own
        except OSError:
            sock.close()
            raise
        return sock
    except OSError as error:
        raise ListenError([f"{setting}: {path}: {_explain(path, group, error)}"]) from error


def find_uids(users: tuple[str, ...], setting: str, *, user: User | None) -> frozenset[int]:
    """Look up users whose processes may connect; root and ourselves are among them.

    Args:
        users: names or numbers.
        setting: the name of the setting that says so, for messages.
        user: whom this process becomes later.
    Raises:
        ListenError: there is no such user.
    """
    uids, problems = {0, os.geteuid() if user is None else user.uid}, []
    for name in users:
        try:
            uids.add(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            problems.append(f"{setting}: there is no user {name}; name those whose processes send")
    if problems:
        raise ListenError(problems)
    return frozenset(uids)


def _find_group(group: str) -> int:
    """Look up a group. Raises OSError."""
    if group.isdecimal():
        if int(group) > _HIGHEST_GROUP:
            raise OSError(errno.EINVAL, f"{group} is no number of a group; {_HIGHEST_GROUP} is the highest")
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise OSError(errno.ENOENT, f"there is no group {group}; `groupadd --system {group}` makes one") from error


def _clear(path: str) -> None:
    """Take a socket away that nobody listens on. Raises OSError."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise FileExistsError(errno.EEXIST, "there is something else that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            pass  # a dead one's
        except BlockingIOError:  # its backlog is full
            raise OSError(errno.EADDRINUSE, "another process listens there") from None
        else:
            raise OSError(errno.EADDRINUSE, "another process listens there")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _listen(path: str) -> socket.socket:
    """Bind and listen. Raises OSError."""
    if len(os.fsencode(path)) > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, f"a socket's path has {_LONGEST_NAME} octets at most")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_UMASK)
    try:
        sock.bind(path)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _explain(path: str, group: str | None, error: OSError) -> str:
    directory = os.path.dirname(path) or "."
    if error.errno == errno.ENOENT and not os.path.isdir(directory):
        return f"there is no directory {directory}; make it, and let the user of this server write to it"
    if error.errno in (errno.EACCES, errno.EPERM):
        whose = f", and be a member of the group {group}" if group is not None else ""
        return f"{error.strerror}: the user of this server must be able to write to {directory}{whose}"
    return f"{error.strerror}"
