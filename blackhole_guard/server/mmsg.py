"""recvmmsg(2) and sendmmsg(2): many datagrams a system call, received into slots and sent from them.

Knows the kernel's structures and nothing of what is in a datagram. The structures are plain octets here, read and
written through views of machine words, a whole batch in one slice: 29 ns a datagram, against 208 by the attributes of
ctypes structures and 152 by items of the same views. Measured: python -m bench.slots
"""

import ctypes
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Final

from blackhole_guard.server import system
from blackhole_guard.server.way_back import Control

SLOTS: Final = 128  # datagrams a call at most; 64 cost 7 % more a query (python -m bench throughput --before)
SLOT: Final = 4096  # octets of a datagram at most, as received and as sent

_MARGIN = 64  # octets behind a slot that may be written to
_NAME = 32  # octets for a socket address; sockaddr_in6 has 28
_CONTROL = 128  # octets for the control messages of a datagram; a time stamp and an address take 72


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("size", ctypes.c_uint))


_HEADER = ctypes.sizeof(_MMsgHdr)
_HEADER_WORDS, _HEADER_LONGS = _HEADER // 4, _HEADER // 8
_SIZE, _FLAGS = _MMsgHdr.size.offset // 4, _MsgHdr.flags.offset // 4  # in words
_CONTROL_SIZE = _MsgHdr.control_size.offset // 8  # in longs
_VECTOR = ctypes.sizeof(_IoVec)
_CMSG = struct.Struct("@Nii")  # struct cmsghdr: length with this header, level, type
# A header of a control message and an address: the first 16 octets, as two machine words, and how many octets in all.
_PKTINFO = {
    socket.AF_INET: (_CMSG.pack(28, socket.IPPROTO_IP, system.IP_PKTINFO), socket.CMSG_SPACE(12)),
    socket.AF_INET6: (_CMSG.pack(36, socket.IPPROTO_IPV6, socket.IPV6_PKTINFO), socket.CMSG_SPACE(20)),
}

_LINK_LOCAL, _MULTICAST = 0xFE, 0xFF  # first octets of addresses that need their interface, or cannot be a source
_ZEROS = memoryview(array("I", bytes(4 * SLOTS)))


def is_available() -> bool:
    """Say whether this system has both calls, and structures as this module knows them."""
    libc = ctypes.CDLL(None)
    return ctypes.sizeof(ctypes.c_void_p) == 8 and hasattr(libc, "recvmmsg") and hasattr(libc, "sendmmsg")


class Slots:
    """Room for SLOTS datagrams, their addresses and control messages. Each `receive` uses all of it anew."""

    def __init__(self) -> None:
        # A slice of a memory map is bytes, in one step; that of a bytearray would have to be copied once more. And each
        # has a map of its own, for small numbers as places in it: Python need not make an object for each of those.
        # 137 ns a message, against 177 in one map and 365 in one bytearray (python -m bench.slots).
        self.octets = tuple(
            mmap.mmap(-1, SLOT + _MARGIN, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(SLOTS)
        )
        self._names = bytearray(SLOTS * _NAME)
        self._controls = bytearray(SLOTS * _CONTROL)
        self._vectors = bytearray(SLOTS * _VECTOR)
        self._headers = bytearray(SLOTS * _HEADER)
        self._lay_out()
        self._fresh_headers, self._fresh_vectors = bytes(self._headers), bytes(self._vectors)
        self._header_words = memoryview(self._headers).cast("I")
        self._header_longs = memoryview(self._headers).cast("Q")
        self._vector_longs = memoryview(self._vectors).cast("Q")
        self._name_words = memoryview(self._names).cast("I")
        self._name_shorts = memoryview(self._names).cast("H")
        self._control_words = memoryview(self._controls).cast("I")
        self._control_longs = memoryview(self._controls).cast("Q")
        self._first_header = _address_of(self._headers)
        libc = ctypes.CDLL(None, use_errno=True)
        self._recvmmsg, self._sendmmsg = libc.recvmmsg, libc.sendmmsg
        self._recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

    def _lay_out(self) -> None:
        """Fill vectors and headers in."""
        names, controls = _address_of(self._names), _address_of(self._controls)
        vectors = _address_of(self._vectors)
        for slot, octets in enumerate(self.octets):
            vector = _IoVec(_address_of(octets), SLOT)
            self._vectors[slot * _VECTOR : (slot + 1) * _VECTOR] = bytes(vector)
            header = _MsgHdr(
                name=names + slot * _NAME,
                name_size=_NAME,
                vectors=vectors + slot * _VECTOR,
                vector_count=1,
                control=controls + slot * _CONTROL,
                control_size=_CONTROL,
            )
            self._headers[slot * _HEADER : (slot + 1) * _HEADER] = bytes(_MMsgHdr(header))

    def receive(self, fd: int) -> int:
        """Receive what waits, and do not wait for more; returns how many datagrams came.

        Raises:
            OSError: nothing could be received; BlockingIOError: there was nothing.
        """
        self._headers[:] = self._fresh_headers
        self._vectors[:] = self._fresh_vectors
        count: int = self._recvmmsg(fd, self._first_header, SLOTS, socket.MSG_DONTWAIT, None)
        if count < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return count

    def sizes(self, count: int) -> list[int]:
        """Octets of the first `count` datagrams."""
        return self._header_words[_SIZE : count * _HEADER_WORDS : _HEADER_WORDS].tolist()

    def is_cut(self, slot: int) -> bool:
        """Say whether a datagram was longer than its slot."""
        return bool(self._header_words[slot * _HEADER_WORDS + _FLAGS] & socket.MSG_TRUNC)

    def control_sizes(self, count: int) -> list[int]:
        """Octets of the control messages of each of the first `count` datagrams."""
        return self._header_longs[_CONTROL_SIZE : count * _HEADER_LONGS : _HEADER_LONGS].tolist()

    def ports(self, count: int) -> list[int]:
        """The source port of each as the wire has it: as socket.htons gives it."""
        return self._name_shorts[1 : count * _NAME // 2 : _NAME // 2].tolist()

    def words(self, count: int) -> list[int]:
        """The source of each in a socket for IPv4: the four octets as one machine word."""
        return self._name_words[1 : count * _NAME // 4 : _NAME // 4].tolist()

    def addresses(self, count: int) -> list[bytes]:
        """The source of each in a socket for IPv6: 16 octets."""
        names = bytes(self._names)
        return [names[start : start + 16] for start in range(8, count * _NAME, _NAME)]

    def source(self, slot: int, family: int) -> bytes:
        """The source of one: 4 or 16 octets."""
        start, size = (4, 4) if family == socket.AF_INET else (8, 16)
        return bytes(self._names[slot * _NAME + start :][:size])

    def port(self, slot: int) -> int:
        """The source port of one."""
        return socket.ntohs(self._name_shorts[slot * _NAME // 2 + 1])

    def control(self, slot: int) -> Control:
        """Read the control messages that came with a datagram."""
        start = slot * _CONTROL
        end = start + self._header_longs[slot * _HEADER_LONGS + _CONTROL_SIZE]
        messages = []
        while start + _CMSG.size <= end:
            length, level, kind = _CMSG.unpack_from(self._controls, start)
            if not _CMSG.size <= length <= end - start:
                break
            messages.append((level, kind, bytes(self._controls[start + _CMSG.size : start + length])))
            start += socket.CMSG_SPACE(length - _CMSG.size)
        return messages

    def set_control(self, slot: int, messages: Control) -> None:
        """Set the control messages that a slot's datagram is sent with."""
        start = at = slot * _CONTROL
        for level, kind, data in messages:
            _CMSG.pack_into(self._controls, at, _CMSG.size + len(data), level, kind)
            self._controls[at + _CMSG.size : at + _CMSG.size + len(data)] = data
            at += socket.CMSG_SPACE(len(data))
        self._header_longs[slot * _HEADER_LONGS + _CONTROL_SIZE] = at - start

    def turn_addresses(self, count: int, family: int) -> bool:
        """Make what came with the first `count` datagrams say from where the responses leave: the address asked.

        Returns:
            False, and nothing has changed: some came with other things, or were sent to addresses that want a closer
            look; `control` and `set_control` are for these.
        """
        header, size = _PKTINFO[socket.AddressFamily(family)]
        longs, step = self._control_longs, _CONTROL // 8
        first, second = (int.from_bytes(header[at : at + 8], sys.byteorder) for at in (0, 8))
        if (
            self.control_sizes(count).count(size) != count
            or longs[0 : count * step : step].tolist().count(first) != count
            or longs[1 : count * step : step].tolist().count(second) != count
        ):
            return False
        if family == socket.AF_INET6:
            firsts = self._controls[_CMSG.size : count * _CONTROL : _CONTROL]
            if _LINK_LOCAL in firsts or _MULTICAST in firsts:
                return False
        # Interface 0: routes decide by which one a response leaves.
        interface = (_CMSG.size if family == socket.AF_INET else _CMSG.size + 16) // 4
        self._control_words[interface : count * _CONTROL // 4 : _CONTROL // 4] = _ZEROS[:count]
        return True

    def send(self, fd: int, sizes: Sequence[int]) -> list[int]:
        """Send what is in the slots, each to where its datagram came from.

        Args:
            sizes: octets of each of the first slots; 0: send nothing.
        Returns:
            The errno of each datagram that could not be sent. The others have been.
        """
        self._vector_longs[1 : 2 * len(sizes) : 2] = memoryview(array("Q", sizes))
        count = self._close_ranks(sizes) if 0 in sizes else len(sizes)
        errors: list[int] = []
        sent = 0
        while sent < count:
            done = self._sendmmsg(fd, self._first_header + sent * _HEADER, count - sent, socket.MSG_DONTWAIT)
            if done < 0:
                # It is the first of those that are left, whatever is wrong with it.
                errors.append(ctypes.get_errno())
                done = 1
            sent += done
        return errors

    def _close_ranks(self, sizes: Sequence[int]) -> int:
        """Move the headers of slots that are sent to the front; returns how many there are.

        A header points to its slot's name, vector and control messages, so they need not move.
        """
        headers, count = self._headers, 0
        for slot, size in enumerate(sizes):
            if size:
                if slot != count:
                    headers[count * _HEADER : (count + 1) * _HEADER] = headers[slot * _HEADER : (slot + 1) * _HEADER]
                count += 1
        return count


def _address_of(buffer: bytearray | mmap.mmap) -> int:
    """Where a buffer lies. The buffer cannot be resized from then on."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
