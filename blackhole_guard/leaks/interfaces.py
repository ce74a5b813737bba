"""Interfaces that are listened to: what goes to the sinks and comes from them, out of a ring that the kernel fills.

packet(7); Documentation/networking/packet_mmap.rst (TPACKET_V2). Linux only, and CAP_NET_RAW. The kernel runs our
filter, so nothing else reaches this process; the ring holds 4,096 frames where a socket's buffer (rmem_default) holds
about 250.
"""

import ctypes
import mmap
import os
import select
import socket
from collections.abc import Iterator
from struct import Struct

from blackhole_guard.leaks.frames import TAGS, Frame, LinkType
from blackhole_guard.leaks.packet_filter import COOKED, make_filter

ALL = ""  # in place of an interface's name: all that there are, and all that will be

# <linux/if_packet.h>, <asm-generic/socket.h>, <linux/if_ether.h>, <linux/if_arp.h>
_SOL_PACKET, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 263, 5, 6, 10
_TPACKET_V2 = 1
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 0x0003
_OUTGOING, _LOOPBACK = 4, 772  # PACKET_OUTGOING, ARPHRD_LOOPBACK
_KERNEL, _USER = 0, 1  # TP_STATUS_: whose a slot is

SLOT = 2048  # octets: a frame of Ethernet with the kernel's header; of longer ones the beginning
SLOTS = 4096
_BLOCK = 1 << 16  # octets that the kernel allocates in one piece
_SLOT_WORDS = SLOT // 4
_REQUEST = Struct("@IIII")  # struct tpacket_req: block size and number, frame size and number
_PROGRAM = Struct("@HP")  # struct sock_fprog
_STATISTICS = Struct("@II")  # struct tpacket_stats: frames, and those dropped
# struct tpacket2_hdr from its second word on: length, length here, offset of the link layer, two, seconds, nanoseconds;
# behind its 32 octets struct sockaddr_ll: the EtherType, the interface's kind, and whether the frame is on its way out.
_HEADER = Struct("@4xIIHxxII8x 2x2s4xHB")


class Interface:
    """One interface, or all. A context manager."""

    def __init__(self, name: str = ALL) -> None:
        """Begin to listen.

        Raises:
            PermissionError: without CAP_NET_RAW. OSError: there is no such interface, or no memory for the ring.
        """
        self.name = name
        # One interface's is of no protocol until it is bound. All interfaces' receives at once, but what the filter has
        # not seen does not survive the coming of the ring.
        protocol = socket.htons(_ETH_P_ALL) if name == ALL else 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, protocol)
        try:
            self._attach(make_filter(COOKED))
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
            blocks = SLOT * SLOTS // _BLOCK
            self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, _REQUEST.pack(_BLOCK, blocks, SLOT, SLOTS))
            self._ring = mmap.mmap(self._socket.fileno(), SLOT * SLOTS)
            if name != ALL:
                self._socket.bind((name, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise
        self._words = memoryview(self._ring).cast("I")
        self._next = 0  # slot
        self._drops = 0

    def _attach(self, program: bytes) -> None:
        octets = ctypes.create_string_buffer(program, len(program))
        fields = _PROGRAM.pack(len(program) // 8, ctypes.addressof(octets))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fields)

    def fileno(self) -> int:
        """Name the descriptor that is readable when there are frames."""
        return self._socket.fileno()

    def frames(self) -> Iterator[Frame]:
        """Give the frames that are there, a ring of them at most."""
        for _ in range(SLOTS):
            if not self._words[self._next * _SLOT_WORDS] & _USER:
                return
            frame = self._read_slot(self._next * SLOT)
            self._words[self._next * _SLOT_WORDS] = _KERNEL
            self._next = (self._next + 1) % SLOTS
            if frame is not None:
                yield frame

    def _read_slot(self, start: int) -> Frame | None:
        size, captured, offset, seconds, nanoseconds, ethertype, kind, direction = _HEADER.unpack_from(
            self._ring, start
        )
        if direction == _OUTGOING and kind == _LOOPBACK:
            return None  # it comes in, too
        octets = self._ring[start + offset : start + offset + captured]
        while ethertype in TAGS and len(octets) >= 4:  # the outermost one the kernel has taken off
            ethertype, octets, size = octets[2:4], octets[4:], size - 4
        return Frame(seconds + nanoseconds / 1e9, LinkType.RAW, octets, size)

    def drops(self) -> int:
        """Count the frames that found no slot free, since the beginning."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._drops += _STATISTICS.unpack(statistics)[1]  # the kernel begins anew each time
        return self._drops

    def close(self) -> None:
        """Stop listening."""
        self._words.release()
        self._ring.close()
        self._socket.close()

    def __enter__(self) -> "Interface":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait(interfaces: list[Interface], seconds: float) -> list[Interface]:
    """Wait until one of them has frames. Raises OSError: one has gone down, or is gone."""
    poll = select.poll()
    by_descriptor = {interface.fileno(): interface for interface in interfaces}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    ready = poll.poll(seconds * 1000)
    for descriptor, events in ready:
        if events & select.POLLERR:
            number = by_descriptor[descriptor]._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number), by_descriptor[descriptor].name)
    return [by_descriptor[descriptor] for descriptor, _ in ready]
