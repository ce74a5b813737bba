"""A responder on real snapshots, without a server around it."""

import time

from blackhole_guard import loading
from blackhole_guard.app.board import Board
from blackhole_guard.app.responder import SnapshotResponder
from blackhole_guard.counters.meter import PageMeter
from blackhole_guard.server.roles import Transport
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.wire.names import pack_name

QUERY = bytes.fromhex("abcd 0000 0001 0000 0000 0000") + pack_name("3.0.0.10.in-addr.arpa") + b"\0\x0c\0\x01"
CLIENT = bytes((127, 0, 0, 1))


class Cells:
    """Loads maps, announces them, and makes responders that follow."""

    def __init__(self, folder):
        self.folder = folder
        self.board = Board(1)
        self.state = folder / "state"
        self.state.mkdir()
        self.snapshot = self.state / "snapshot.mdb"
        self.opened = 0
        self._report = None
        self.errors = []

    def load(self, name, config="{}", *, announce=True):
        """Give 10.0.0.3 a name."""
        (self.folder / "map.yaml").write_text(f"zone: 10.0.0.0/8\nptr:\n  10.0.0.3: {name}\n")
        (self.folder / "config.yaml").write_text(config)
        overrides = {"include": [str(self.folder / "map.yaml")]}
        self._report = loading.load(
            str(self.folder / "config.yaml"), overrides, str(self.state), force=False, now=time.time
        )
        assert self._report.result == "loaded", self._report
        if announce:
            self.announce()

    def announce(self):
        self.board.note_load("loaded", self._report.generation)

    def responder(self):
        meter = PageMeter(self.board.pages.page(0), self.board.pages.layout)
        return SnapshotResponder(self.board.control.cells, self._open, meter, self.errors.append)

    def _open(self):
        self.opened += 1
        return open_snapshot(str(self.snapshot))

    def answer(self, responder):
        """What a worker does for a batch of one."""
        responder.refresh()
        return self.respond(responder)

    @staticmethod
    def respond(responder, transport=Transport.UDP):
        return responder.respond(QUERY, CLIENT, transport)
