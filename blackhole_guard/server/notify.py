"""sd_notify(3): what the service manager is told of our state.

The protocol is a datagram of lines to a unix socket whose name is in the environment. Where there is none, all of this
does nothing.
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping
from time import CLOCK_MONOTONIC, clock_gettime_ns

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Tells the service manager. Owns its socket."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Connect.

        Args:
            environ: os.environ; the variables are removed, so that no child takes them for its own.
        """
        name, usec, pid = (environ.pop(variable, "") for variable in _VARIABLES)
        self._socket: socket.socket | None = None
        if name.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)  # a manager that does not read must not stop us
            try:
                self._socket.connect("\0" + name[1:] if name.startswith("@") else name)
            except OSError:
                self.close()
        mine = usec.isdecimal() and (not pid or pid == str(os.getpid()))
        # Half of what is allowed (sd_watchdog_enabled(3)); None: nobody waits for signs of life.
        self.watchdog_interval = int(usec) / 2_000_000 if self._socket and mine and int(usec) else None

    def ready(self, status: str) -> None:
        """Say that we serve, at the start or after a reload."""
        self._send("READY=1", f"STATUS={_one_line(status)}")

    def reloading(self) -> None:
        """Say that a reload has begun; `ready` ends it."""
        now = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reading the maps")

    def status(self, status: str) -> None:
        """Say how things are, in a line for people."""
        self._send(f"STATUS={_one_line(status)}")

    def stopping(self) -> None:
        """Say that we end."""
        self._send("STOPPING=1", "STATUS=finishing what is in hand")

    def alive(self) -> None:
        """Give a sign of life."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket; nothing is said from now on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # a manager that is gone is none
                self._socket.send("\n".join(lines).encode())


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
