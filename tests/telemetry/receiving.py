"""A part of the observer, run in a thread with a loop of its own."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blackhole_guard.telemetry.observer import Part


@contextmanager
def receiving(part: Part) -> Iterator[None]:
    """Run it until the body ends."""
    loop = asyncio.new_event_loop()
    tasks: list[asyncio.Task[None]] = []

    async def run() -> None:
        tasks.append(asyncio.ensure_future(part.run()))
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[0]
        part.close()
        await asyncio.sleep(0)  # what `close` has set going

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="part")
    thread.start()
    wait_until(lambda: bool(tasks))
    try:
        yield
    finally:
        loop.call_soon_threadsafe(tasks[0].cancel)
        thread.join()
        loop.close()


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for what must come; fails when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
