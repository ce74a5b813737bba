"""dnstap frames: what a resolver was asked, and what it asked others.

The schema is dnstap.proto (https://github.com/dnstap/dnstap.pb), of which the fields are declared that a leak is told
by; Protocol Buffers step over all others. Of the DNS messages inside nothing but the question is read, as the gate of
`wire.query` does for whoever asks us. Left out: what is no query or response of a resolver (AUTH, STUB, TOOL, UPDATE).
"""

from struct import Struct
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.wire.codes import Opcode
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import HEADER, QR, RD, opcode_of
from blackhole_guard.wire.names import find_name_end


class Kind:
    """Numbers of `Message.Type`. No enum: its members would be looked up for each frame."""

    RESOLVER_QUERY = 3
    RESOLVER_RESPONSE = 4
    CLIENT_QUERY = 5
    FORWARDER_QUERY = 7
    FORWARDER_RESPONSE = 8


KINDS = (  # by number; 0: what is none of these
    *("other", "auth_query", "auth_response", "resolver_query", "resolver_response", "client_query", "client_response"),
    *("forwarder_query", "forwarder_response", "stub_query", "stub_response", "tool_query", "tool_response"),
    *("update_query", "update_response"),
)
RESPONSES = frozenset((Kind.RESOLVER_RESPONSE, Kind.FORWARDER_RESPONSE))
_FORWARDER = frozenset((Kind.FORWARDER_QUERY, Kind.FORWARDER_RESPONSE))

_READ = frozenset((Kind.RESOLVER_QUERY, Kind.CLIENT_QUERY, Kind.FORWARDER_QUERY)) | RESPONSES
_ARPA = b"\x04arpa\x00"  # all reserved names end so; most messages have it nowhere, and are of no interest
_LAST_TIME = 1 << 40  # seconds: a number that is no time must not break sums
_QUESTION_TAIL = Struct("!HH")  # QTYPE, QCLASS

_FieldProto = descriptor_pb2.FieldDescriptorProto
# Enumerations are read as numbers, so that one that came later is no error.
_MESSAGE_FIELDS = {
    "type": (1, _FieldProto.TYPE_UINT32),
    "query_address": (4, _FieldProto.TYPE_BYTES),
    "response_address": (5, _FieldProto.TYPE_BYTES),
    "query_time_sec": (8, _FieldProto.TYPE_UINT64),
    "query_time_nsec": (9, _FieldProto.TYPE_FIXED32),
    "query_message": (10, _FieldProto.TYPE_BYTES),
    "response_time_sec": (12, _FieldProto.TYPE_UINT64),
    "response_time_nsec": (13, _FieldProto.TYPE_FIXED32),
    "response_message": (14, _FieldProto.TYPE_BYTES),
}


def _make_decoder() -> Any:
    """Make the class of Dnstap, in a pool of its own: another one in the process may be complete."""
    file = descriptor_pb2.FileDescriptorProto(name="dnstap.proto", package="dnstap", syntax="proto2")
    message = file.message_type.add(name="Message")
    for name, (number, kind) in _MESSAGE_FIELDS.items():
        message.field.add(name=name, number=number, type=kind, label=_FieldProto.LABEL_OPTIONAL)
    file.message_type.add(name="Dnstap").field.add(
        name="message",
        number=14,
        type=_FieldProto.TYPE_MESSAGE,
        type_name=".dnstap.Message",
        label=_FieldProto.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("dnstap.Dnstap"))


_decode = _make_decoder().FromString


class Event(NamedTuple):
    """A message that a resolver got or sent."""

    kind: int  # one of `Kind`
    at: float  # unix seconds: when the query was sent or received; 0: not told
    name: bytes  # wire form, lower case
    qtype: int
    qclass: int
    is_update: bool
    is_forwarded: bool  # of what a resolver sent: the other one shall find the answer, wherever that is
    initiator: bytes | None  # 4 or 16 octets: who asked
    responder: bytes | None  # 4 or 16 octets: who was asked
    seconds: float | None  # of a response: how long it took


def read_frame(frame: bytes) -> tuple[int, Event | None]:
    """Read a frame.

    Returns:
        Index of its kind in KINDS. And what it says; None: it is of a kind that is not read, or of a name that is not
        below arpa, or its DNS message is none that asks one question.
    Raises:
        EvidenceError: this is no Dnstap message.
    """
    try:
        message = _decode(frame).message
    except DecodeError as error:
        raise EvidenceError("a frame that is no dnstap message") from error
    kind = message.type
    if kind not in _READ:
        return (kind if kind < len(KINDS) else 0), None
    is_response = kind in RESPONSES
    octets = message.response_message if is_response else message.query_message
    if _ARPA not in octets.lower():
        return kind, None
    question = _read_question(octets, is_response=is_response)
    if question is None:
        return kind, None
    at = _read_time(message.query_time_sec, message.query_time_nsec)
    name, qtype, qclass, is_update, recursion_desired = question
    came = _read_time(message.response_time_sec, message.response_time_nsec) if is_response else 0.0
    return kind, Event(
        kind,
        at,
        name,
        qtype,
        qclass,
        is_update,
        recursion_desired or kind in _FORWARDER,  # BIND says RESOLVER_QUERY of all that it sends
        _read_address(message.query_address),
        _read_address(message.response_address),
        came - at if at and came >= at else None,
    )


def _read_time(seconds: int, nanoseconds: int) -> float:
    return seconds + nanoseconds / 1e9 if seconds < _LAST_TIME else 0.0


def _read_address(octets: bytes) -> bytes | None:
    return octets if len(octets) in (4, 16) else None


def _read_question(octets: bytes, *, is_response: bool) -> tuple[bytes, int, int, bool, bool] | None:
    """Read name, type, class, whether it is an update, and RD; None: there is not exactly one question."""
    if len(octets) < HEADER.size:
        return None
    _, flags, questions, *_ = HEADER.unpack_from(octets)
    opcode = opcode_of(flags)
    if questions != 1 or bool(flags & QR) is not is_response or opcode not in (Opcode.QUERY, Opcode.UPDATE):
        return None
    try:
        end = find_name_end(octets, HEADER.size)
    except WireError:
        return None
    if end + _QUESTION_TAIL.size > len(octets):
        return None
    qtype, qclass = _QUESTION_TAIL.unpack_from(octets, end)
    return octets[HEADER.size : end].lower(), qtype, qclass, opcode == Opcode.UPDATE, bool(flags & RD)
