"""The observer's part that `watch` reports to.

Imported in the observer alone.
"""

from collections.abc import Mapping

from blackhole_guard.app.leak_keeper import LeakKeeper
from blackhole_guard.app.leak_sockets import Listening
from blackhole_guard.leaks.watch_reports import CONTENT_TYPE, WatchReports
from blackhole_guard.telemetry.frame_receiver import Channel, FrameReceiver
from blackhole_guard.telemetry.leak_metrics import read_watch
from blackhole_guard.telemetry.logs import Log
from blackhole_guard.telemetry.metrics import Samples

_CHANNEL = Channel("watch", CONTENT_TYPE, "leaks.watch.users", "no setting changes that")


class LeakWatch:
    """Receives what any number of watches see."""

    def __init__(self, listening: Listening, keeper: LeakKeeper, log: Log) -> None:
        """Prepare to receive; see `FrameReceiver`."""
        self._reports = WatchReports(keeper)
        self.receiver = FrameReceiver(_CHANNEL, listening.listener, listening.uids, listening.limit, self._reports, log)

    def read(self) -> Mapping[str, Samples]:
        """Give the samples of all that is counted, by metric."""
        return read_watch(self._reports, self.receiver)
