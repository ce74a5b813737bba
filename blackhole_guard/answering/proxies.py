"""Messages that a proxy hands on with a header before them: from those that are listed it is believed, and taken off.

Who sent a message is then who the header says: it decides who may ask, and who is counted. Headers of anybody else stay
where they are, and are what they look like as messages: none that is answered with anything but NOTIMP.
"""

from typing import NamedTuple

from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.policy import Clients
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.proxy import SIGNATURE, find_header_end, is_proxied, parse_proxy_header

_MOST_KNOWN = 4096
_BY_PROXY = b"by proxy, IPv4 ", b"by proxy, IPv6 "  # by the socket's family: begin keys of senders that a header names
_DROP = -1  # the size of a message that must not be answered


class StreamStart(NamedTuple):
    """What a stream from a proxy begins with."""

    size: int  # octets of the header; 0: there is none
    source: bytes | None  # who the header says that asks; None: the proxy itself
    is_malformed: bool = False


class Proxies:
    """The proxies that are listed."""

    def __init__(self, listed: Clients) -> None:
        self._listed = listed
        self._known: dict[int | bytes, bool] = {}  # key of a sender, as batches have it -> whether it is listed

    def is_listed(self, source: bytes) -> bool:
        """Whether an address, of 4 or 16 octets, is a proxy's."""
        return source in self._listed

    def unwrap(self, octets: bytes, source: bytes) -> tuple[bytes, bytes] | None:
        """Take the header off a message over UDP.

        Returns:
            The message, and who asks; None: the header is malformed, and nobody is to be answered.
        """
        if not is_proxied(octets) or not self.is_listed(source):
            return octets, source
        try:
            header = parse_proxy_header(octets)
        except WireError:
            return None
        return octets[header.size :], header.source or source

    def unwrap_batch(self, batch: Batch) -> None:
        """Take the headers off the messages of a batch. What is malformed must not be answered."""
        sources: dict[int, bytes] = {}
        for number, sender in enumerate(batch.senders):
            is_listed = self._known.get(sender)
            if is_listed is None:
                is_listed = self._learn(sender, batch.source(number))
            if is_listed and batch.sizes[number] >= len(SIGNATURE):
                self._unwrap_slot(batch, number, sources)
        if sources:
            find_source = batch.source
            # The family may be another than the socket's: not the key of who asks through a socket of its own family,
            # nor by a proxy that does.
            by_proxy = _BY_PROXY[batch.is_ipv6]
            batch.senders = [
                by_proxy + sources[number] if number in sources else sender
                for number, sender in enumerate(batch.senders)
            ]
            batch.source = lambda number: sources[number] if number in sources else find_source(number)

    def _learn(self, sender: int | bytes, source: bytes) -> bool:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        is_listed = self._known[sender] = self.is_listed(source)
        return is_listed

    def _unwrap_slot(self, batch: Batch, number: int, sources: dict[int, bytes]) -> None:
        octets = batch.message(number)
        if not is_proxied(octets):
            return
        try:
            header = parse_proxy_header(octets)
        except WireError:
            batch.sizes[number] = _DROP
            return
        message = octets[header.size :]
        batch.slots[number][: len(message)] = message
        batch.sizes[number] = len(message)
        if header.source is not None:
            sources[number] = header.source


def read_stream_start(octets: bytes) -> StreamStart | None:
    """Read what a stream from a proxy begins with.

    Returns:
        None: more must come before that can be said.
    """
    try:
        end = find_header_end(octets)
        if end is None or len(octets) < end:
            return None
        return StreamStart(end, parse_proxy_header(octets).source if end else None)
    except WireError:
        return StreamStart(0, None, is_malformed=True)
