"""The control channel between the supervisor and one worker: fixed frames over a stream socket pair.

Each side holds one end and no process holds both: the end of the stream says that the other side is dead.
"""

import socket
import struct
from enum import IntEnum
from typing import NamedTuple

_FRAME = struct.Struct("!BxxxI")  # kind, padding, slot
_MOST_FRAMES = 64  # read at once; what is beyond waits in the socket


class ChannelError(Exception):
    """The other side is gone, does not read, or speaks something else."""


class Kind(IntEnum):
    """What a message says. The slot goes with ADOPT, RELEASE and READY."""

    ADOPT = 1  # to the worker: read that slot's sockets, too
    RELEASE = 2  # to the worker: no longer
    STOP = 3  # to the worker: finish what is in hand, and end
    READY = 4  # to the supervisor: I read the sockets of my slot


class Message(NamedTuple):
    """One message of the control channel."""

    kind: Kind
    slot: int = 0


class Channel:
    """One end. Owns its socket, which never blocks."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._rest = b""

    def fileno(self) -> int:
        """The descriptor to watch for reading."""
        return self._end.fileno()

    def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            ChannelError: the other side is gone, or has left thousands of messages unread.
        """
        frame = _FRAME.pack(message.kind, message.slot)
        try:
            sent = self._end.send(frame)
        except OSError as error:
            raise ChannelError(f"cannot send: {error.strerror}") from error
        if sent != len(frame):
            raise ChannelError("cannot send: the other side does not read")

    def receive(self) -> list[Message]:
        """Take the messages that are here; empty when there is none.

        Raises:
            ChannelError: the other side is gone, or what it sent is no message.
        """
        try:
            octets = self._end.recv(_MOST_FRAMES * _FRAME.size)
        except BlockingIOError:
            return []
        except OSError as error:
            raise ChannelError(f"cannot receive: {error.strerror}") from error
        if not octets:
            raise ChannelError("the other side is gone")
        octets = self._rest + octets
        whole = len(octets) - len(octets) % _FRAME.size
        self._rest = octets[whole:]
        try:
            return [Message(Kind(kind), slot) for kind, slot in _FRAME.iter_unpack(octets[:whole])]
        except ValueError as error:
            raise ChannelError(f"no message: {error}") from error

    def close(self) -> None:
        """Close this end; the other side sees the end of the stream."""
        self._end.close()


def open_channel() -> tuple[socket.socket, socket.socket]:
    """Make the supervisor's end and the worker's, before the fork; then each side closes the other's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
