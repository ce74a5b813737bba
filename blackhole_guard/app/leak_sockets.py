"""The sockets that evidence of leaks comes in by: made before the privileges are dropped, held by the supervisor."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blackhole_guard.config.settings import LeakSettings
from blackhole_guard.server.listen import ListenError
from blackhole_guard.server.statedir import WATCH, find_runtime_dir
from blackhole_guard.server.stream_sockets import find_uids, open_stream_socket

if TYPE_CHECKING:
    from blackhole_guard.server.privileges import User
    from blackhole_guard.telemetry.logs import Log

_WATCHES = 16  # that may report at once


@dataclass(frozen=True, slots=True)
class Listening:
    """A unix socket that somebody may send to."""

    listener: socket.socket
    uids: frozenset[int]  # whose processes may send
    limit: int  # connections at once


@dataclass(frozen=True, slots=True)
class LeakSockets:
    """Those that there are."""

    dnstap: Listening | None = None
    watch: Listening | None = None

    def close(self) -> None:
        """Close them, in this process."""
        for each in (self.dnstap, self.watch):
            if each is not None:
                each.listener.close()

    def unlink(self) -> None:
        """Take their names away: nobody listens any more."""
        for each in (self.dnstap, self.watch):
            if each is not None:
                with suppress(OSError):  # what lies there without a listener, the next one replaces
                    os.unlink(each.listener.getsockname())


def open_leak_sockets(
    leaks: LeakSettings, state_dir: str, *, user: "User | None", environ: Mapping[str, str], log: "Log"
) -> LeakSockets:
    """Listen.

    Args:
        leaks: the settings.
        state_dir: where `watch` finds its socket, unless there is a runtime directory or a setting.
        user: whom this process becomes later.
        environ: of systemd's unit.
        log: told when there is no place for the watch's socket that no setting names: that is no reason not to serve.
    Raises:
        ListenError: one that a setting names cannot be made.
    """
    dnstap = watch = None
    if leaks.dnstap.socket is not None:
        uids = find_uids(leaks.dnstap.users, "leaks.dnstap.users", user=user)
        listener = open_stream_socket(leaks.dnstap.socket, "leaks.dnstap.socket", user=user, group=leaks.dnstap.group)
        dnstap = Listening(listener, uids, leaks.dnstap.producers)
    try:
        if leaks.watch.enabled:
            uids = find_uids(leaks.watch.users, "leaks.watch.users", user=user)
            path = leaks.watch.socket or os.path.join(find_runtime_dir(environ) or state_dir, WATCH)
            listener = open_stream_socket(path, "leaks.watch.socket", user=user, group=leaks.watch.group)
            watch = Listening(listener, uids, _WATCHES)
    except ListenError as error:
        if leaks.watch.socket is not None or leaks.watch.users or leaks.watch.group is not None:
            LeakSockets(dnstap).close()
            raise
        log.warning("watch cannot report here", reason="; ".join(error.problems))
    return LeakSockets(dnstap, watch)
