"""The state directory: one server's at a time, found by those who want to speak to it, and left clean.

A lock (fcntl(2)) says who has it. Such a lock is a process's own: children do not hold it, and the kernel frees it with
the process, so a killed server never keeps its successor out. Without a directory of its own a server takes a private
temporary one, removes it at its end, and at its start those of servers that were killed. What only that needs (shutil,
tempfile) is imported there: 0.5 MB that a server with a directory of its own does not carry.
"""

import contextlib
import errno
import fcntl
import os
import pwd
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from blackhole_guard.server.privileges import User, acting_as

LOCK = "lock"
CONTROL = "control.sock"
WATCH = "watch.sock"
UNIT_STATE_DIR = "/var/lib/blackhole-guard"  # what the unit in systemd/ has
UNIT_RUNTIME_DIR = "/run/blackhole-guard"  # the same
_PREFIX = "blackhole-guard-private-"  # of temporary directories; nobody else's begin with this
_NEWBORN = 60.0  # seconds in which a directory without a lock is one that is just being made
_TRIES = 8


class StateDirError(Exception):
    """The state directory cannot be used; one line, with the way out."""


class StateDir:
    """A directory that is ours until it is closed."""

    def __init__(self, path: str, lock: int, *, private: bool) -> None:
        self.path = path
        self.private = private
        self._lock = lock

    @property
    def control(self) -> str:
        """Where the control socket is."""
        return os.path.join(self.path, CONTROL)

    def leave(self) -> None:
        """In a child: close the descriptor. The lock stays the supervisor's."""
        os.close(self._lock)

    def close(self) -> None:
        """Give the directory up; a private one is removed."""
        if self.private:
            import shutil

            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def open_state_dir(path: str | None, user: User | None) -> StateDir:
    """Take a directory, or a private temporary one; makes it if it is not there.

    Args:
        path: None: a private temporary one.
        user: whose it shall be; this process becomes that user later.
    Raises:
        StateDirError: another server has it, or it cannot be written to.
    """
    if path is None:
        import shutil  # noqa: F401  # before the change of user, who need not be able to read them
        import tempfile  # noqa: F401  # the same

        with acting_as(user):
            _sweep()
            return _open_private()
    try:
        _make(path, user)
        with acting_as(user):
            # A lock of its own in a directory of somebody else's would let it begin, and then end without a reason.
            if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            lock = _lock(path)
    except OSError as error:
        raise StateDirError(_explain(path, user, error)) from error
    if lock is None:
        raise StateDirError(
            f"another blackhole-guard ({_describe_holder(path)}) has the state directory {path}; "
            "stop it, or give this one a `server.state_dir` of its own"
        )
    return StateDir(os.path.abspath(path), lock, private=False)


def find_systemd_dir(environ: Mapping[str, str]) -> str | None:
    """Name the first directory of `StateDirectory=` in our unit (systemd.exec(5)); None: there is none."""
    return environ.get("STATE_DIRECTORY", "").split(":")[0] or None


def find_runtime_dir(environ: Mapping[str, str]) -> str | None:
    """Name the first directory of `RuntimeDirectory=` in our unit (systemd.exec(5)); None: there is none."""
    return environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or None


def find_running(*, everybody: bool | None = None) -> list[str]:
    """Find the private directories of servers that run.

    Args:
        everybody: whether those of other users are wanted, too; None: by root they are.
    """
    by_all = os.geteuid() == 0 if everybody is None else everybody
    return [str(path) for path in _private_dirs(everybody=by_all) if is_held(str(path))]


def is_held(path: str) -> bool:
    """Whether a running server has the directory."""
    try:
        descriptor = os.open(os.path.join(path, LOCK), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _make(path: str, user: User | None) -> None:
    """Make the directory where it is missing; only then whose it is, is ours to say. Raises OSError."""
    if os.path.isdir(path):
        return
    before = os.umask(0o022)  # the user must be able to enter what is made above it, which stays ours
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    finally:
        os.umask(before)
    os.mkdir(path, 0o750)
    if user is not None and os.geteuid() == 0:
        os.chown(path, user.uid, user.gid)


def _open_private() -> StateDir:
    import tempfile

    for _ in range(_TRIES):
        try:
            path = tempfile.mkdtemp(prefix=_PREFIX)
            lock = _lock(path)
        except OSError as error:
            raise StateDirError(
                f"there is no place for a temporary directory ({error.strerror}); set `server.state_dir`"
            ) from error
        if lock is not None:
            return StateDir(path, lock, private=True)
    raise StateDirError("temporary directories vanish as they are made; set `server.state_dir`")


def _lock(path: str) -> int | None:
    """Lock a directory; returns the descriptor that holds it, None: somebody else does. Raises OSError."""
    name = os.path.join(path, LOCK)
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 0:  # swept away between the two calls
            raise BlockingIOError
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except (BlockingIOError, PermissionError):  # EACCES and EAGAIN both say: held (fcntl(2))
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _describe_holder(path: str) -> str:
    try:
        text = Path(path, LOCK).read_text()[:20].strip()
    except OSError:
        return "its pid cannot be read"
    return f"pid {text}" if text.isdecimal() else "it has not said its pid yet"


def _private_dirs(*, everybody: bool) -> Iterator[Path]:
    import tempfile

    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) and (everybody or status.st_uid == os.geteuid()):
                yield path


def _sweep() -> None:
    """Remove this user's private directories whose servers are dead."""
    import shutil

    for path in _private_dirs(everybody=False):
        with contextlib.suppress(OSError):
            young = time.time() - path.stat().st_mtime < _NEWBORN
            if not (path / LOCK).exists():
                if not young:
                    path.rmdir()  # what is in it without a lock, we have not put there
            elif (lock := _lock(str(path))) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _explain(path: str, user: User | None, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        name = user.name if user else _name_us()
        if not os.path.isdir(path):
            how = f"`mkdir -p {path} && chown {name} {path}` as root makes it"
            return f"{name} cannot make the state directory {path}; {how}; or set another `server.state_dir`"
        return (
            f"{name} cannot write to the state directory {path}; `chown -R {name} {path}`, and see that this user may "
            "enter the directories above it; or set another `server.state_dir`"
        )
    if error.errno == errno.EROFS:
        return (
            f"the state directory {path} is on a file system that cannot be written to; set another `server.state_dir`"
        )
    return f"the state directory {path} cannot be used: {error.strerror}; set another `server.state_dir`"


def _name_us() -> str:
    """Name our user as chown(1) takes it; a container need not list its users."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
