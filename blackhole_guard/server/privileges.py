"""Giving up privileges, once the sockets are open: the user, the groups, the capabilities, and the way back.

The order is that of capabilities(7) and setgroups(2): groups first, because a user without privileges cannot give them
up; then everything is read back, because a drop that failed silently would leave root facing the network.
"""

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from blackhole_guard.server import system


class PrivilegeError(Exception):
    """Privileges that cannot be given up, or a user that does not exist; one line, with the way out."""


class User(NamedTuple):
    """Whom to become."""

    name: str  # as it was written
    uid: int
    gid: int


def find_user(text: str, setting: str = "server.user") -> User:
    """Look up `user` or `user:group`; each a name or a number.

    Args:
        text: what was written.
        setting: where, for messages.
    Raises:
        PrivilegeError: there is no such user or group.
    """
    name, _, group = text.partition(":")
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError as error:
        if not (name.isdecimal() and group):
            raise PrivilegeError(f"{setting}: there is no user {name}; `useradd --system {name}` makes one") from error
        uid, gid = int(name), 0  # a container need not list its users; the group is said
    if group:
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise PrivilegeError(
                f"{setting}: there is no group {group}; `groupadd --system {group}` makes one"
            ) from error
    if uid == 0:
        raise PrivilegeError(f"{setting}: root is whom the drop is from; name a user without privileges")
    return User(text, uid, gid)


@contextmanager
def acting_as(user: User | None) -> Iterator[None]:
    """Touch files as the user to become would, so that they are its own and no link of its making leads root astray."""
    if user is None or os.geteuid() != 0:
        yield
        return
    uid, gid = os.geteuid(), os.getegid()
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)


def drop_privileges(user: User | None) -> None:
    """Become the user, and give up what goes beyond it, for good.

    Args:
        user: None: stay who we are, but gain nothing more.
    Raises:
        PrivilegeError: it could not be done; the process must not go on.
    """
    try:
        if user is not None and os.getresuid() != (user.uid,) * 3:
            if os.geteuid() != 0:
                raise PrivilegeError(
                    f"cannot become {user.name}: only root can; leave `server.user` out, or start as root"
                )
            os.setgroups([])
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        if os.geteuid() != 0 and any(_capabilities().values()):
            system.drop_capabilities()
        system.forbid_new_privileges()
    except OSError as error:
        name = user.name if user else "a process without privileges"
        raise PrivilegeError(
            f"cannot become {name}: {error.strerror}; a container needs CAP_SETUID and CAP_SETGID for it, "
            "or starts as that user"
        ) from error
    if user is not None:
        _verify(user)


def _verify(user: User) -> None:
    """Read back who we are. Raises PrivilegeError."""
    left = [f"{name}={mask:x}" for name, mask in _capabilities().items() if mask]
    if os.getresuid() != (user.uid,) * 3 or os.getresgid() != (user.gid,) * 3:
        left.append("a user or group id")
    if set(os.getgroups()) - {user.gid}:
        left.append("supplementary groups")
    if left:
        raise PrivilegeError(f"privileges were not given up: {', '.join(left)} is left")


def _capabilities() -> dict[str, int]:
    """Read the capabilities of this process that are in force, or could be (proc(5))."""
    with open("/proc/self/status") as file:
        lines = (line.split(":", 1) for line in file if line.startswith(("CapEff:", "CapPrm:", "CapAmb:")))
        return {name: int(mask, 16) for name, mask in lines}
