"""The observer's part that resolvers send dnstap to.

Imported in the observer alone, and only where there is something to receive: it brings protobuf with it.
"""

from collections.abc import Mapping

from blackhole_guard.app.leak_keeper import LeakKeeper
from blackhole_guard.app.leak_sockets import Listening
from blackhole_guard.app.own_servers import OwnServers
from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.dnstap_join import Tracer
from blackhole_guard.leaks.evidence import Via
from blackhole_guard.telemetry.frame_receiver import DNSTAP_CHANNEL, FrameReceiver
from blackhole_guard.telemetry.leak_metrics import read_dnstap
from blackhole_guard.telemetry.logs import Log
from blackhole_guard.telemetry.metrics import Samples


class Dnstap:
    """Receives dnstap, and tells the keeper of the leaks that it shows."""

    def __init__(self, listening: Listening, own_servers: OwnServers, keeper: LeakKeeper, log: Log) -> None:
        """Prepare to receive; see `FrameReceiver`."""
        keeper.expect(Via.DNSTAP)
        self._own_servers = own_servers
        self._tracer = Tracer(keeper.add, keeper.settle, Askers(), self)
        self.receiver = FrameReceiver(
            DNSTAP_CHANNEL, listening.listener, listening.uids, listening.limit, self._tracer, log
        )

    def read(self) -> Mapping[str, Samples]:
        """Give the samples of all that is counted, by metric."""
        return read_dnstap(self._tracer, self.receiver)

    def is_ours(self, address: bytes) -> bool:
        """Whether a server is one of the operator's own."""
        return address in self._own_servers
