"""Frame Streams, the receiving end: octets of one producer in, frames and what to reply out.

The format is that of the fstrm library (https://farsightsec.github.io/fstrm/): a frame is its length in 4 octets and
that many octets; length 0 announces a control frame, with a length of its own. A bidirectional producer sends READY,
gets ACCEPT, sends START, frames, STOP, gets FINISH; a unidirectional one begins with START, as our own does.
"""

from enum import Enum, IntEnum
from struct import Struct

from blackhole_guard.leaks.evidence import EvidenceError

DNSTAP = b"protobuf:dnstap.Dnstap"  # https://dnstap.info: the content type of every dnstap stream

MAX_CONTROL = 512  # octets, FSTRM_CONTROL_FRAME_LENGTH_MAX
MAX_CONTENT_TYPE = 256  # octets, FSTRM_CONTROL_FIELD_CONTENT_TYPE_LENGTH_MAX
# A frame holds one DNS message (64 KiB at most), in a CoreDNS or a Knot Resolver perhaps two, and some addresses.
MAX_FRAME = 128 * 1024  # octets

_NUMBER = Struct("!I")
_FIELD = Struct("!II")  # type, length
_CONTENT_TYPE = 1  # the only type of field there is


class Control(IntEnum):
    """Types of control frames."""

    ACCEPT = 1
    START = 2
    STOP = 3
    READY = 4
    FINISH = 5


_CONTROLS = frozenset(Control)


class Refused(Enum):
    """Why a stream cannot go on; the value is what is counted."""

    CONTENT_TYPE = "content_type"  # another one than is taken here
    TOO_LONG = "too_long"  # a frame longer than any may be
    HANDSHAKE = "handshake"  # frames in an order that cannot be, or octets that are no Frame Streams


class StreamError(EvidenceError):
    """Octets that are no stream of what is taken here. The connection is of no more use."""

    def __init__(self, why: Refused, what: str) -> None:
        super().__init__(what)
        self.why = why


class _Stage(Enum):
    OPENING = "READY, or START of a unidirectional producer"
    ACCEPTED = "START"
    FLOWING = "frames"
    FINISHED = "nothing"


class Stream:
    """One producer's stream. Owns no socket; what it holds is at most one frame that has not come to its end."""

    def __init__(self, content_type: bytes = DNSTAP) -> None:
        """Wait for the producer's first control frame.

        Args:
            content_type: the only one that is taken.
        """
        self._content_type = content_type
        self._stage = _Stage.OPENING
        self._is_bidirectional = False
        self._rest = bytearray()  # of a frame whose end has not come
        self._wanted = 4  # octets that `_rest` must have for it to be worth a look
        self._replies = b""
        self._failure: StreamError | None = None  # behind frames that were complete before it

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done: frames may come, or have come."""
        return self._stage in (_Stage.FLOWING, _Stage.FINISHED)

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun whose end has not come."""
        return bool(self._rest)

    @property
    def is_finished(self) -> bool:
        """Whether the producer has said STOP; send what `take_replies` returns and close."""
        return self._stage is _Stage.FINISHED

    def take_replies(self) -> bytes:
        """Return what must be sent to the producer now; empty: nothing."""
        replies, self._replies = self._replies, b""
        return replies

    def receive(self, octets: bytes) -> list[bytes]:
        """Take octets as they come from the producer; call it again with none until it returns none.

        Returns:
            The data frames that are complete now, in their order. What comes behind STOP is not looked at.
        Raises:
            StreamError: this is no such stream, or its frames are too long; it must be given up. The frames before that
            are returned first; then the next call raises.
        """
        if self._failure is not None:
            raise self._failure
        frames: list[bytes] = []
        try:
            self._receive(octets, frames)
        except StreamError as error:
            if not frames:
                raise
            self._failure = error
        return frames

    def _receive(self, octets: bytes, frames: list[bytes]) -> None:
        if self._rest:
            self._rest += octets
            if len(self._rest) < self._wanted:
                return  # a frame that comes in small pieces is not copied at each of them
            octets = bytes(self._rest)
            self._rest.clear()
        end, position = len(octets), 0
        unpack = _NUMBER.unpack_from
        while end - position >= 4 and self._stage is not _Stage.FINISHED:
            (length,) = unpack(octets, position)
            if length == 0:
                stop = self._read_control(octets, position + 4)
            elif self._stage is not _Stage.FLOWING:
                raise StreamError(Refused.HANDSHAKE, f"a data frame where {self._stage.value} must come")
            elif length > MAX_FRAME:
                raise StreamError(Refused.TOO_LONG, f"a frame of {length} octets; {MAX_FRAME} are the most")
            else:
                stop = position + 4 + length
                if stop <= end:
                    frames.append(octets[position + 4 : stop])
            if stop > end:
                self._wanted = stop - position
                break
            position = stop
        else:
            self._wanted = 4
        if position < end and self._stage is not _Stage.FINISHED:
            self._rest += octets[position:]

    def _read_control(self, octets: bytes, position: int) -> int:
        """Read the control frame whose length stands at `position`, if it is all there; returns where it ends."""
        if len(octets) - position < 4:
            return position + 4
        length: int = _NUMBER.unpack_from(octets, position)[0]
        if not 4 <= length <= MAX_CONTROL:
            raise StreamError(Refused.TOO_LONG, f"a control frame of {length} octets; 4 to {MAX_CONTROL} are right")
        stop = position + 4 + length
        if stop <= len(octets):
            self._take_control(octets[position + 4 : stop])
        return stop

    def _take_control(self, payload: bytes) -> None:
        (kind,) = _NUMBER.unpack_from(payload)
        if self._stage is _Stage.OPENING and kind == Control.READY:
            self._check_content_type(payload)
            self._is_bidirectional = True
            self._stage = _Stage.ACCEPTED
            self._replies += render_control(Control.ACCEPT, self._content_type)
        elif self._stage in (_Stage.OPENING, _Stage.ACCEPTED) and kind == Control.START:
            self._check_content_type(payload)
            self._stage = _Stage.FLOWING
        elif self._stage is _Stage.FLOWING and kind == Control.STOP:
            self._stage = _Stage.FINISHED
            if self._is_bidirectional:
                self._replies += render_control(Control.FINISH)
        elif self._stage is not _Stage.FLOWING or kind in _CONTROLS:
            raise StreamError(Refused.HANDSHAKE, f"control frame {kind} where {self._stage.value} must come")
        # Other types between frames are from the future, and must be ignored (fstrm/control.h).

    def _check_content_type(self, payload: bytes) -> None:
        """See that a control frame is for us: none named is a match (fstrm_control_match_field_content_type())."""
        content_types = _read_content_types(payload)
        if content_types and self._content_type not in content_types:
            raise StreamError(Refused.CONTENT_TYPE, f"the stream is not of {self._content_type.decode()}")


def _read_content_types(payload: bytes) -> list[bytes]:
    """Read the fields of a control frame."""
    found, position = [], 4
    while position < len(payload):
        if position + _FIELD.size > len(payload):
            raise StreamError(Refused.HANDSHAKE, "a field of a control frame that runs over its end")
        kind, length = _FIELD.unpack_from(payload, position)
        position += _FIELD.size
        if kind != _CONTENT_TYPE or length > MAX_CONTENT_TYPE or position + length > len(payload):
            raise StreamError(Refused.HANDSHAKE, "a field of a control frame that is no content type")
        found.append(payload[position : position + length])
        position += length
    return found


def render_control(kind: Control, *content_types: bytes) -> bytes:
    """Render a control frame, the escape before it included."""
    fields = b"".join([_FIELD.pack(_CONTENT_TYPE, len(each)) + each for each in content_types])
    return bytes(4) + _NUMBER.pack(4 + len(fields)) + _NUMBER.pack(kind) + fields


def render_data(*frames: bytes) -> bytes:
    """Render data frames of 1 to MAX_FRAME octets."""
    return b"".join([_NUMBER.pack(len(frame)) + frame for frame in frames])
