"""Who asked a resolver for which reserved name, of late: what makes a resolver's leak a client's.

A resolver's query and its client's share a name and lie close in time; nothing else joins them. So what one resolver's
clients asked says nothing of another resolver's queries, and is kept apart. Memory is bounded: when it is full, the
name asked for longest ago is forgotten first.
"""

from typing import NamedTuple

# A resolver tries for about ten seconds before it gives up on a client's query (BIND: resolver-query-timeout).
JOIN_SECONDS = 12.0
SLACK_SECONDS = 1.0  # by which a client may seem to have asked after the resolver: not all read the clock at once
CAPACITY = 10_000  # names: 800 new ones a second for the whole time, in 8 MB at most
# Clients of one name. BIND's threads report each for itself: a query that left is told of after further clients got
# its response out of the cache, so the last client need not be the one that it left for.
CLIENTS = 4


class _Asked(NamedTuple):
    at: float
    client: bytes


class Askers:
    """The last clients that asked for each name."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Know nobody yet.

        Args:
            capacity: names that are kept.
        """
        self._capacity = capacity
        self._by_name: dict[tuple[int, bytes], tuple[_Asked, ...]] = {}  # the name asked for longest ago first

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, name: bytes, client: bytes, at: float, resolver: int = 0) -> None:
        """Enter that a client asked for a name.

        Args:
            name: wire form, lower case.
            client: 4 or 16 octets.
            at: unix seconds.
            resolver: which one it asked, where several are told apart.
        """
        by_name, key = self._by_name, (resolver, name)
        before = by_name.pop(key, ())  # so that it stands behind all others
        if len(by_name) >= self._capacity:
            del by_name[next(iter(by_name))]
        if before and before[-1].client == client and 0 <= at - before[-1].at < SLACK_SECONDS:
            by_name[key] = before  # who asks on and on must not push out the others
        else:
            by_name[key] = (*before[1 - CLIENTS :], _Asked(at, client))

    def find(self, name: bytes, at: float, resolver: int = 0) -> bytes | None:
        """Find the client on whose behalf a resolver asked for a name at a time (unix seconds)."""
        found: _Asked | None = None
        for asked in self._by_name.get((resolver, name), ()):
            if at - JOIN_SECONDS <= asked.at <= at:
                if found is None or found.at > at or asked.at > found.at:
                    found = asked
            elif at < asked.at <= at + SLACK_SECONDS and (found is None or at < asked.at < found.at):
                found = asked
        return None if found is None else found.client
