"""The worker's event loop: asyncio's, but the descriptors that queries come by are served at once.

asyncio collects what is ready, makes a queue of it, and looks for timers and for more before and after. For a query
that comes alone that costs as much as its answer. So the selector that the loop waits in calls back for such
descriptors itself, and returns to the loop when something else is ready, a timer is due, or a callback has left the
loop something to do.
"""

import asyncio
import select
import selectors
from collections.abc import Callable
from contextvars import Context
from socket import socket
from time import monotonic
from typing import Any, TypeVarTuple

_EVENTS = 64  # taken from the kernel at once

Callback = Callable[..., object]
Arguments = TypeVarTuple("Arguments")


class _DirectSelector(selectors.EpollSelector):
    """An EpollSelector that serves some descriptors of its own while it waits for the others.

    It waits for both in another epoll(7) instance, which has those of its own, and its parent's descriptor.
    """

    def __init__(self, report: Callable[[Exception], None]) -> None:
        """`report` is told of exceptions that came out of a callback."""
        super().__init__()
        self.is_wanted = False  # by the loop: there is something else to do
        self._report = report
        self._served: dict[int, tuple[Callback, tuple[Any, ...]]] = {}
        self._both = select.epoll()
        self._both.register(self.fileno(), select.EPOLLIN)

    def serve(self, descriptor: int, callback: Callback, arguments: tuple[Any, ...]) -> None:
        """Call back whenever a descriptor can be read."""
        self._both.register(descriptor, select.EPOLLIN)
        self._served[descriptor] = callback, arguments

    def leave(self, descriptor: int) -> None:
        """Call back no more."""
        if self._served.pop(descriptor, None) is not None:
            self._both.unregister(descriptor)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as any selector does, and serve meanwhile."""
        self.is_wanted = False
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            events = self._both.poll(timeout, _EVENTS)
            is_other = False
            for descriptor, _ in events:
                # What is not served is the parent's; or a callback before has just left it, and no harm is done.
                callback, arguments = self._served.get(descriptor, (None, ()))
                if callback is None:
                    is_other = True
                    continue
                try:
                    callback(*arguments)
                except Exception as error:  # noqa: BLE001  # as the loop does: what is ready next may go better
                    self._report(error)
            if is_other:
                return super().select(0)
            if not events or self.is_wanted:
                return []
            if deadline is not None:
                timeout = deadline - monotonic()
                if timeout <= 0:
                    return []

    def close(self) -> None:
        """Close both instances."""
        self._both.close()
        super().close()


class DirectLoop(asyncio.SelectorEventLoop):
    """An event loop that serves some descriptors without its detours."""

    def __init__(self) -> None:
        self._direct = _DirectSelector(self._on_exception)
        super().__init__(self._direct)

    def serve(self, source: socket | select.epoll, callback: Callback, *arguments: object) -> None:
        """Call back whenever `source` can be read. Nobody may serve or watch it yet.

        A callback takes a turn of bounded length, for which all others wait. What it raises reaches the loop's
        exception handler.
        """
        self._direct.serve(source.fileno(), callback, arguments)

    def leave(self, source: socket | select.epoll) -> None:
        """Call back no more, if it was served. To be called before `source` is closed."""
        self._direct.leave(source.fileno())

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """As any loop's."""
        self._direct.is_wanted = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As any loop's."""
        self._direct.is_wanted = True
        return super().call_at(when, callback, *args, context=context)

    def _on_exception(self, error: Exception) -> None:
        self.call_exception_handler({"message": "exception in a callback", "exception": error})
