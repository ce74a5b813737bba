"""Whom `watch` becomes once its sockets are open: what strangers send is not read as root (as `tcpdump -Z` has it).

It is the server's user where one can be told: the observer then knows it when it connects again (SO_PEERCRED has the
user of connect(2)), and may write to its socket.
"""

import os
import pwd
from collections.abc import Iterable

import click

from blackhole_guard.cli.settings_options import find_config
from blackhole_guard.config.load import read_settings
from blackhole_guard.server.privileges import PrivilegeError, User, drop_privileges, find_user
from blackhole_guard.wire.names import escape_text

NOBODY = User("nobody", 65534, 65534)  # where no account has that name: the kernel's own (overflowuid, proc(5))


def choose_user(
    wanted: str | None, config: str | None, state_dir: str | None, sockets: Iterable[str] | None
) -> User | None:
    """Choose: who is wanted; else the settings' `server.user`; else who owns what the server has; else nobody.

    Args:
        wanted: user or user:group, as given.
        config: the settings file, as given; None: that of the machine.
        state_dir: of the server, as given: settings may be another one's then.
        sockets: where the observer's may be, the likeliest first; None: there is nobody to report to.
    Returns:
        None: stay who we are, because we are not root.
    Raises:
        click.ClickException: there is no such user, or it is root, or nobody can be become.
    """
    try:
        if os.geteuid() != 0:
            if wanted is not None:
                raise PrivilegeError("--user: only root can become another user; leave it out, or start as root")
            return None
        if wanted is not None:
            return find_user(wanted, "--user")
        if sockets is None:
            return _find_nobody()
        if state_dir is None:
            settings, _ = read_settings(find_config(config))  # their mistakes are the server's to tell
            if settings.server.user is not None:
                return find_user(settings.server.user)
    except PrivilegeError as error:
        raise click.ClickException(escape_text(str(error))) from error
    paths = list(sockets)
    return _find_owner([*paths, *map(os.path.dirname, paths)]) or _find_nobody()


def give_up_privileges(user: User | None) -> None:
    """Become the user, without any capability, for good. Raises click.ClickException: it cannot be done."""
    try:
        drop_privileges(user)
    except (PrivilegeError, OverflowError) as error:  # a number that no user can have
        raise click.ClickException(escape_text(str(error))) from error


def _find_owner(paths: Iterable[str]) -> User | None:
    """Find whose the first path is that is not root's; None: there is none.

    Who owns a link stands for it, so that nobody makes us whom it leads to.
    """
    for path in paths:
        try:
            status = os.lstat(path)
            if status.st_uid == 0:  # root's own links lead where they should, such as those of DynamicUser=
                status = os.stat(path)
        except OSError:
            continue
        if status.st_uid == 0:
            continue
        try:
            gid = pwd.getpwuid(status.st_uid).pw_gid
        except KeyError:  # of a unit that has ended (DynamicUser=), or of another container
            gid = status.st_gid or NOBODY.gid
        return User(str(status.st_uid), status.st_uid, gid)
    return None


def _find_nobody() -> User:
    try:
        return find_user(NOBODY.name)
    except PrivilegeError:
        return NOBODY
