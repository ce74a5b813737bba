"""Messages that came together, each in a slot, with their responses put in their place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from mmap import mmap


@dataclass(slots=True)
class Batch:
    """Messages of one UDP socket. A response takes its message's place, and leaves the ID where it is."""

    slots: Sequence[mmap]  # maps, because a slice of one is bytes; a message begins at 0, and 4096 octets are free
    sizes: list[int]  # octets of each message; negative: it must not be answered, and is not counted
    senders: Sequence[int | bytes]  # who sent each: a key that never stands for two addresses
    is_ipv6: bool  # the socket's family
    source: Callable[[int], bytes]  # the address that sent the message of a number: 4 or 16 octets, unmapped
    responses: list[int] = field(default_factory=list)  # octets of each response, in order; 0: there is none

    def message(self, number: int) -> bytes:
        """Take a message out."""
        return self.slots[number][: self.sizes[number]]

    def put(self, response: bytes | None) -> None:
        """Put the response to the first message that has none yet; None: say nothing to it."""
        size = 0 if response is None else len(response)
        if response is not None:
            self.slots[len(self.responses)][:size] = response
        self.responses.append(size)
