"""The API as a whole: a request in, a response out. Owns neither sockets nor HTTP."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from blackhole_guard.api.access import check_access
from blackhole_guard.api.known import Known
from blackhole_guard.api.openapi import describe_api
from blackhole_guard.api.parameters import NoParameters, parse_parameters
from blackhole_guard.api.problems import ProblemError, Response
from blackhole_guard.api.resources import DESCRIPTION, RESOURCES, ROOT
from blackhole_guard.api.views import View
from blackhole_guard.wire.names import escape_text

JSON = "application/json"
_SHOWN = 80  # characters of a path that there is not
# Of many who ask the same at once, as browsers and floods do, all get one response: the same octets in memory.
_GOOD_FOR = 0.25  # seconds; workers bring out their counts every second
_MOST_KEPT = 4  # of 300 KB at most; tops of observed leaks as much for each kind of evidence
_FRESH = {"Cache-Control": "max-age=3600"}  # of what changes with the program only; all else is of the moment


class Api:
    """Answers requests."""

    def __init__(self, known: Known, is_allowed: Callable[[str], bool]) -> None:
        """Begin to answer.

        Args:
            known: what there is to show.
            is_allowed: whether an address is in `telemetry.api.allow`.
        """
        self._is_allowed = is_allowed
        self._monotonic = known.monotonic
        self._view = View(known)
        self._kept: dict[tuple[str, str], tuple[float, Response]] = {}  # path, query -> until when it is good, and what
        self._resources = {resource.path: resource for resource in RESOURCES}

    async def respond(self, path: str, query: str, client: str, host: str) -> Response:
        """Answer a request.

        Args:
            path: without its %XX; begins with /api.
            query: as it was sent, behind the `?`.
            client: the address that it came from.
            host: of its Host field; empty: it has none.
        """
        try:
            check_access(client, host, self._is_allowed)
            kept = self._kept.get((path, query))
            if kept is not None and self._monotonic() < kept[0]:
                return kept[1]
            response = await self._make_response(path, query)
        except ProblemError as problem:
            return problem.render()
        self._keep((path, query), response)
        return response

    def _keep(self, key: tuple[str, str], response: Response) -> None:
        self._kept.pop(key, None)
        self._kept[key] = kept = self._monotonic() + _GOOD_FOR, response
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        asyncio.get_running_loop().call_later(_GOOD_FOR, self._forget, key, kept)

    def _forget(self, key: tuple[str, str], kept: tuple[float, Response]) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]

    async def _make_response(self, path: str, query: str) -> Response:
        if path == DESCRIPTION:
            parse_parameters(query, NoParameters)
            return Response(200, JSON, describe_api(RESOURCES), _FRESH)
        return Response(200, JSON, msgspec.json.encode(await self._make(path, query)) + b"\n")

    async def _make(self, path: str, query: str) -> msgspec.Struct:
        resource = self._resources.get(path)
        if resource is None:
            shown = escape_text(path, limit=_SHOWN)
            raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no {shown}", f"{ROOT} lists what there is")
        document: msgspec.Struct = await resource.make(self._view, parse_parameters(query, resource.parameters))
        return document
