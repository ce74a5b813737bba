"""The observer: a process that shows metrics, health and the API over HTTP. It may be slow or die, the answers go on.

It listens on sockets that its parent opened, so that a successor takes over where it stopped.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from time import monotonic
from typing import Any, Protocol

from aiohttp import web

from blackhole_guard.api.problems import ProblemError, Response
from blackhole_guard.counters.control import Control
from blackhole_guard.telemetry.http_gate import SECURITY_HEADERS, Gate, is_of_api
from blackhole_guard.telemetry.metrics import Exposition, Facts, Served, accepts_gzip, choose_form

EXIT_STOPPED = 0

_SILENCE = 10.0  # seconds without a sign of life after which a worker does not count as one that answers
_PATIENCE = 1.0  # seconds for responses in hand when the observer ends
_BACKLOG = 64  # connections that wait to be accepted
_THERE_IS = "there is /metrics, /healthz and /readyz\n"
_THERE_IS_MORE = "there is /metrics, /healthz, /readyz and /api/v1\n"
_PIECE = 16_384  # octets that are sent at once
_BUG = "internal error, see the log"


class ObserverLog(Protocol):
    """Says what an operator should know."""

    def error(self, event: str, **fields: object) -> None:
        """Log one event with its fields."""


class Part(Protocol):
    """Something else that the observer does beside serving HTTP."""

    async def run(self) -> None:
        """Do it until cancelled."""

    def close(self) -> None:
        """Let go of what it holds; called once, after `run`."""


class Api(Protocol):
    """What answers below API_PATH."""

    async def respond(self, path: str, query: str, client: str, host: str) -> Response:
        """Answer a request; see `api.service`."""


@dataclass(frozen=True, slots=True)
class ObserverContext:
    """All that the observer is handed. Made in the supervisor, used in the child."""

    sockets: tuple[socket.socket, ...]  # bound; connections that wait outlive an observer
    facts: Facts
    log: ObserverLog
    parts: tuple[Part, ...] = ()
    api: Api | None = None


def run_observer(context: ObserverContext) -> int:
    """Be the observer, in a child of the supervisor that ends with it, until SIGTERM; returns the exit code."""
    with asyncio.Runner() as runner:
        runner.run(_Observer(context).run())
    return EXIT_STOPPED


def find_unreadiness(control: Control, now: float) -> str | None:
    """Say why queries are not answered; None: they are.

    Args:
        control: the supervisor's page.
        now: monotonic seconds.
    """
    if not control.generation:
        return "no zones are loaded yet"
    alive = [slot for slot in range(control.slots) if control.is_alive(slot)]
    if not alive:
        return "no worker is alive"
    if all(now - control.last_beat(slot) > _SILENCE for slot in alive):
        return f"no worker has given a sign of life for {_SILENCE:.0f} seconds"
    return None


class _Observer:
    """The state of a running observer."""

    def __init__(self, context: ObserverContext) -> None:
        self._context = context
        self._last_served: Served | None = None
        facts = context.facts
        self._exposition = Exposition(replace(facts, served=self._read_served))
        self._pages: dict[str, Callable[[web.BaseRequest], web.Response]] = {
            "/metrics": self._show_metrics,
            "/healthz": self._show_health,
            "/readyz": self._show_readiness,
        }

    async def run(self) -> None:
        """Serve until SIGTERM."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(self._on_error)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        # What is wrong with a request is for its sender to know; what is wrong with us is logged by ourselves.
        http = web.Server(self._respond, logger=_silent_logger(), access_log=None, lingering_time=0.0)
        gate = Gate(http)
        servers = [await loop.create_server(gate, sock=sock, backlog=_BACKLOG) for sock in self._context.sockets]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part.run(), name=type(part).__name__) for part in self._context.parts]
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            for part in self._context.parts:
                part.close()
            for server in servers:
                server.close()
            await http.shutdown(_PATIENCE)
            gate.close()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._context.api is not None and is_of_api(request.path):
            return await self._send(request, await self._ask(self._context.api, request))
        try:
            response = self._pages.get(request.path, self._show_what_there_is)(request)
        except Exception as error:  # noqa: BLE001  # the edge of a request: the next one may go better
            self._note_bug(request, error)
            response = web.Response(status=500, text=f"{_BUG}\n")
        _finish(response)
        return response

    async def _ask(self, api: Api, request: web.BaseRequest) -> Response:
        host, query = request.headers.get("Host", ""), request.rel_url.raw_query_string
        try:
            return await api.respond(request.path, query, request.remote or "", host)
        except Exception as error:  # noqa: BLE001  # the edge of a request: the next one may go better
            self._note_bug(request, error)
            return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, _BUG).render()

    async def _send(self, request: web.BaseRequest, said: Response) -> web.StreamResponse:
        """Send it piece by piece, as the client takes it: as a whole it would be copied for each client."""
        fields = {"Content-Type": said.content_type, "Content-Length": str(len(said.body)), **said.headers}
        response = web.StreamResponse(status=said.status, headers=fields)
        _finish(response)
        with contextlib.suppress(ConnectionError):  # a client that does not want it any more
            await response.prepare(request)
            if request.method != "HEAD":
                for start in range(0, len(said.body), _PIECE):
                    await response.write(said.body[start : start + _PIECE])
            await response.write_eof()
        return response

    def _note_bug(self, request: web.BaseRequest, error: Exception) -> None:
        self._context.log.error("the observer could not answer", path=request.path, error=repr(error))

    def _show_metrics(self, request: web.BaseRequest) -> web.Response:
        form = choose_form(request.headers.get("Accept", ""))
        zipped = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        headers = {"Content-Type": form, "Vary": "Accept, Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=self._exposition.render(form, zipped, monotonic()), headers=headers)

    def _show_health(self, request: web.BaseRequest) -> web.Response:
        return web.Response(text="ok\n")

    def _show_readiness(self, request: web.BaseRequest) -> web.Response:
        reason = find_unreadiness(self._context.facts.control, monotonic())
        return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=f"{reason}\n")

    def _show_what_there_is(self, request: web.BaseRequest) -> web.Response:
        return web.Response(status=404, text=_THERE_IS if self._context.api is None else _THERE_IS_MORE)

    def _read_served(self) -> Served | None:
        """Read what is served; when that fails, the counters are still shown, and the zones as they last were."""
        try:
            self._last_served = self._context.facts.served()
        except Exception as error:  # noqa: BLE001  # whatever a snapshot may raise, it is no reason to hide the rest
            self._context.log.error("the observer could not read the snapshot", error=repr(error))
        return self._last_served

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take an exception that came out of a callback. The loop goes on after it."""
        error = context.get("exception") or context.get("message")
        self._context.log.error("unexpected error in the observer", error=repr(error))


def _finish(response: web.StreamResponse) -> None:
    """Add what each response has."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.force_close()


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("blackhole_guard.http")
    logger.disabled = True
    return logger
