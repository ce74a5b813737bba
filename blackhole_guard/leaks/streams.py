"""DNS messages in TCP segments: a reassembly that keeps the beginning of each message and little else.

RFC 9293 section 3.4 (sequence numbers), RFC 1035 section 4.2.2 and RFC 7766 section 8 (the length before a message).
Whoever can send packets can open streams for ever, so all is bounded: what does not fit is let go, and counted by
whoever asked. A stream whose beginning was not captured is believed to begin with a message where its first segment
does.
"""

from collections.abc import Iterator
from typing import NamedTuple

SYN, RST = 0x02, 0x04
# A query with its OPT takes 300 octets at most; of responses and updates only header and question are read.
KEPT = 1024  # octets of a message
_MAX_AHEAD = 8192  # octets of segments that came before their turn, in one stream
_MAX_SEGMENTS_AHEAD = 16
_MODULUS = 1 << 32
_LENGTH = 2  # octets before each message


class Message(NamedTuple):
    """A DNS message, or its beginning."""

    octets: bytes  # `KEPT` at most
    missing: int  # octets that are not among them


class Stream:
    """One direction of a TCP connection."""

    __slots__ = ("_ahead", "_due", "_is_cut", "_left", "_length", "_message")

    def __init__(self, sequence: int) -> None:
        """Args: sequence: of the first octet that is data."""
        self._due = sequence  # the next octet's
        self._ahead: dict[int, bytes] = {}
        self._begin_message()

    def _begin_message(self) -> None:
        self._message = bytearray()  # what is kept of the message that is on its way; before it, of its length
        self._length = 0  # of that message, once it is known
        self._left = 0  # octets of it that are still to come; 0: its length is not known yet
        self._is_cut = False  # whether octets of it were not captured: what follows them is not kept

    def receive(self, sequence: int, payload: bytes, missing: int = 0) -> Iterator[Message]:
        """Take a segment, and yield the messages that it completes.

        Args:
            missing: octets that the capture has cut off its end.
        """
        behind = (self._due - sequence) % _MODULUS
        if behind and behind < _MODULUS // 2:  # sent again, as a whole or in part
            if behind < len(payload):
                yield from self._take(payload[behind:], missing)
        elif behind:
            self._keep_ahead(sequence, payload, missing)
            if len(self._ahead) > _MAX_SEGMENTS_AHEAD or sum(map(len, self._ahead.values())) > _MAX_AHEAD:
                self._give_up_gap()
        else:
            yield from self._take(payload, missing)
        while following := self._pop_due():
            yield from self._take(following, 0)

    def _keep_ahead(self, sequence: int, payload: bytes, missing: int) -> None:
        if not missing and len(payload) > len(self._ahead.get(sequence, b"")):
            self._ahead[sequence] = payload[:_MAX_AHEAD]

    def _pop_due(self) -> bytes:
        """Take out of what came ahead what is due now; empty: nothing is.

        A resend may end inside a segment that came ahead, or behind it: what is left of that is due, if anything.
        """
        for sequence in list(self._ahead):  # mostly none
            behind = (self._due - sequence) % _MODULUS
            if behind < _MODULUS // 2 and (left := self._ahead.pop(sequence)[behind:]):
                return left
        return b""

    def _give_up_gap(self) -> None:
        """What is between was not captured: go on where what was kept begins, as if a message began there."""
        due = self._due
        self._due = min(self._ahead, key=lambda sequence: (sequence - due) % _MODULUS)
        self._ahead = {
            sequence: payload
            for sequence, payload in self._ahead.items()
            if (sequence - self._due) % _MODULUS < _MODULUS // 2
        }
        self._begin_message()

    def _take(self, payload: bytes, missing: int) -> Iterator[Message]:
        self._due = (self._due + len(payload) + missing) % _MODULUS
        position = 0
        while position < len(payload):
            if self._left:
                taken = payload[position : position + self._left]
                position += len(taken)
                self._left -= len(taken)
                if not self._is_cut:
                    self._message += taken[: KEPT - len(self._message)]
                if not self._left:
                    yield self._finish()
            else:
                taken = payload[position : position + _LENGTH - len(self._message)]
                position += len(taken)
                self._message += taken
                if len(self._message) == _LENGTH:
                    self._length = self._left = int.from_bytes(self._message)
                    self._message.clear()
        if missing:
            yield from self._skip(missing)

    def _skip(self, missing: int) -> Iterator[Message]:
        """Pass over octets that were sent but not captured."""
        if self._left > missing:
            self._left -= missing
            self._is_cut = True
            return
        if self._left:
            yield self._finish()
        # The next message's length may be among them; most segments begin with a message, and the next one is taken so.
        self._begin_message()

    def _finish(self) -> Message:
        message = Message(bytes(self._message), self._length - len(self._message))
        self._begin_message()
        return message
