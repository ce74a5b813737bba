"""Reports of tops, made for many: each at most as often as it is worth, and never for long at a time.

To merge what is in a window takes up to half a second where all sketches are full. So it is done pane by pane, with
as much time for all others between, and what was made is good for twenty times as long as it took. However many windows
are asked for, of averted leaks and of each kind of evidence, one is merged at a time.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec

from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.tops import MAX_TOP, Tops, TopsPane, TopsReport
from blackhole_guard.leaks.windows import WINDOWS, Window

_LEAST = 1.0  # seconds that a report is good for; workers tell of their counts once a second
_SHARE = 0.05  # of the time, at most, for a window that is asked for all the time
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(TopsReport)


class Reports:
    """The reports of one keeper of tops."""

    def __init__(
        self, read: Callable[[], Tops], clock: Callable[[], float], monotonic: Callable[[], float], turn: asyncio.Lock
    ) -> None:
        """Begin without any.

        Args:
            read: gives what is reported of, with all in it that was counted by now.
            clock: unix seconds.
            monotonic: seconds.
            turn: held by who merges; of all reports of the process.
        """
        self._read = read
        self._clock = clock
        self._monotonic = monotonic
        self._turn = turn
        # Until when it is good, and what, packed: there is one for each window of each kind of evidence, of 250 KB at
        # most, and of three times as much as objects.
        self._kept: dict[Window, tuple[float, bytes]] = {}
        # Who asks while a report is being made waits for it.
        self._locks: Mapping[Window, asyncio.Lock] = {window: asyncio.Lock() for window in WINDOWS}

    async def report(self, window: Window, most: int) -> TopsReport:
        """Give a report of up to `most` of each kind, MAX_TOP at most."""
        async with self._locks[window]:
            kept = self._kept.get(window)
            if kept is None or self._monotonic() >= kept[0]:
                async with self._turn:
                    kept = self._kept[window] = await self._make(window)
                # It need not stay for who asks once a day.
                asyncio.get_running_loop().call_later(kept[0] - self._monotonic(), self._forget, window, kept)
        whole = _DECODER.decode(kept[1])
        return msgspec.structs.replace(
            whole, clients=whole.clients[:most], addresses=whole.addresses[:most], pairs=whole.pairs[:most]
        )

    def _forget(self, window: Window, kept: tuple[float, bytes]) -> None:
        if self._kept.get(window) is kept:
            del self._kept[window]

    async def _make(self, window: Window) -> tuple[float, bytes]:
        now, took, tops = self._clock(), 0.0, self._read()
        steps, whole = tops.merge(window, now), TopsPane()
        while True:
            begin = self._monotonic()
            step = next(steps, None)
            if step is None:
                break
            whole, spent = step, self._monotonic() - begin
            took += spent
            # A request takes several turns of the loop; were the next step in the next one, it would wait for as many.
            await asyncio.sleep(spent)
        report = _ENCODER.encode(tops.show(whole, window, now, MAX_TOP))
        end = self._monotonic()
        return end + max(_LEAST, (took + end - begin) / _SHARE), report


class ObservedReports:
    """The reports of observed leaks: those of each kind of evidence by themselves, as two may have seen the same."""

    def __init__(
        self,
        observed: Observed[SlidingTops],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        turn: asyncio.Lock,
    ) -> None:
        """Begin without any; what is handed over is as for `Reports`."""
        self._observed = observed
        self._clock = clock
        self._monotonic = monotonic
        self._turn = turn
        self._reports: dict[Via, Reports] = {}

    async def report(self, vias: Iterable[Via], window: Window, most: int) -> dict[Via, TopsReport]:
        """Give a report of each of these kinds of evidence that has shown a leak."""
        found = {}
        for via in vias:
            tops = self._observed.tops(via)
            if tops is not None:
                if via not in self._reports:
                    self._reports[via] = Reports(tops.settled, self._clock, self._monotonic, self._turn)
                found[via] = await self._reports[via].report(window, most)
        return found
