"""What the liberties of server/mmsg.py are worth, in ns a datagram: python -m bench.slots

A batch of 64 between receiving and sending: the kernel's work is left out, but for the last two lines.
"""

import argparse
import socket
from collections.abc import Callable, Sequence
from mmap import mmap

from bench.liberties import print_ways, time_ways
from blackhole_guard.server import mmsg
from blackhole_guard.server.mmsg import SLOT, SLOTS, Slots

_BATCHES = 2_000  # for a round of one way
_QUERY = 57  # octets of a query
_ADDED = 60  # octets behind it in the response

_Batch = Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=_BATCHES)
    options = parser.parse_args(arguments)
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        for title, ways in (
            ("message out, response in", _slot_ways()),
            ("sizes and sources out, sizes in", _structure_ways()),
            ("received and sent, between two sockets", _socket_ways(ours, theirs)),
        ):
            times = {name: _repeat(way, options.batches) for name, way in ways.items()}
            print_ways(f"{title}: ns a datagram", time_ways(times, options.rounds))


def _repeat(way: _Batch, batches: int) -> Callable[[], int]:
    def run() -> int:
        for _ in range(batches):
            way()
        return SLOTS * batches

    return run


def _slot_ways() -> dict[str, _Batch]:
    slots = Slots().octets
    whole = mmap(-1, SLOTS * SLOT)
    plain = bytearray(SLOTS * SLOT)
    starts = range(0, SLOTS * SLOT, SLOT)
    head, rest = bytes(10), bytes(_ADDED)

    def own_maps() -> None:
        for slot in slots:
            slot[2:_QUERY].lower()
            slot[2:12] = head
            slot[_QUERY : _QUERY + _ADDED] = rest

    def one_map() -> None:
        for start in starts:
            whole[start + 2 : start + _QUERY].lower()
            whole[start + 2 : start + 12] = head
            end = start + _QUERY
            whole[end : end + _ADDED] = rest

    def one_bytearray() -> None:
        for start in starts:
            bytes(plain[start + 2 : start + _QUERY]).lower()
            plain[start + 2 : start + 12] = head
            end = start + _QUERY
            plain[end : end + _ADDED] = rest

    return {"a map for each slot": own_maps, "one map": one_map, "one bytearray": one_bytearray}


def _structure_ways() -> dict[str, _Batch]:
    slots = Slots()
    headers = (mmsg._MMsgHdr * SLOTS).from_buffer(slots._headers)
    vectors = (mmsg._IoVec * SLOTS).from_buffer(slots._vectors)
    words = memoryview(bytearray(SLOTS * 32)).cast("I")
    lengths = [_QUERY + _ADDED] * SLOTS

    def slices() -> object:
        found = slots.sizes(SLOTS), slots.words(SLOTS), slots.control_sizes(SLOTS)
        slots._vector_longs[1 : 2 * SLOTS : 2] = memoryview(mmsg.array("Q", lengths))
        return found

    def items() -> object:
        header_words, header_longs, vector_longs = slots._header_words, slots._header_longs, slots._vector_longs
        found = []
        for slot, length in enumerate(lengths):
            size = header_words[slot * mmsg._HEADER_WORDS + mmsg._SIZE]
            control = header_longs[slot * mmsg._HEADER_LONGS + mmsg._CONTROL_SIZE]
            found.append((size, words[slot * 8 + 1], control))
            vector_longs[2 * slot + 1] = length
        return found

    def attributes() -> object:
        found = []
        for slot, length in enumerate(lengths):
            each = headers[slot]
            found.append((each.size, words[slot * 8 + 1], each.header.control_size))
            vectors[slot].size = length
        return found

    return {"views, a batch in one slice": slices, "views, one by one": items, "attributes of ctypes": attributes}


def _socket_ways(ours: socket.socket, theirs: socket.socket) -> dict[str, _Batch]:
    slots = Slots()
    for sock in (ours, theirs):
        sock.bind(("127.0.0.1", 0))
    address, query = ours.getsockname(), bytes(_QUERY)
    back = Slots()

    def ask() -> None:
        for _ in range(SLOTS):
            theirs.sendto(query, address)

    def batch() -> None:
        ask()
        count = slots.receive(ours.fileno())
        assert count == SLOTS and not slots.send(ours.fileno(), slots.sizes(count))
        assert back.receive(theirs.fileno()) == SLOTS

    def singly() -> None:
        ask()
        for _ in range(SLOTS):
            octets, control, _, sender = ours.recvmsg(SLOT, 64)
            ours.sendmsg((octets,), control, 0, sender)
        assert back.receive(theirs.fileno()) == SLOTS

    return {"recvmmsg and sendmmsg, asking included": batch, "recvmsg and sendmsg, asking included": singly}


if __name__ == "__main__":
    main()
