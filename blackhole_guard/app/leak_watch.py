"""The observer's part that sees leaks: what receives them, what joins them, what keeps them.

Imported in the observer alone, and only where there is something to receive.
"""

import socket
from collections.abc import Mapping

from blackhole_guard.app.own_servers import OwnServers
from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.dnstap_join import Tracer
from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.telemetry.dnstap_receiver import DnstapReceiver
from blackhole_guard.telemetry.leak_metrics import read_dnstap, read_leaks
from blackhole_guard.telemetry.logs import Log
from blackhole_guard.telemetry.metrics import Samples


class LeakWatch:
    """All that the observer knows of leaks."""

    def __init__(
        self, listener: socket.socket, uids: frozenset[int], limit: int, own_servers: OwnServers, log: Log
    ) -> None:
        """Prepare to receive; see `DnstapReceiver`."""
        self.observed = Observed((Via.DNSTAP,))
        self._own_servers = own_servers
        self._tracer = Tracer(self.observed.add, self.observed.add_response, Askers(), self)
        self.receiver = DnstapReceiver(listener, uids, limit, self._tracer, log)

    def read(self) -> Mapping[str, Samples]:
        """Give the samples of all that is counted, by metric."""
        return {**read_leaks(self.observed), **read_dnstap(self._tracer, self.receiver)}

    def is_ours(self, address: bytes) -> bool:
        """Whether a server is one of the operator's own."""
        return address in self._own_servers
