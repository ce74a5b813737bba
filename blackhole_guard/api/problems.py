"""What is wrong with a request, as JSON: problem details (RFC 9457).

Left out: types of problems; the status says enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

PROBLEM_JSON = "application/problem+json"


class Response(NamedTuple):
    """A response without what HTTP adds to it."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a request (RFC 9457); `type` is about:blank, which need not be there."""

    title: Annotated[str, Meta(description="the status in words")]
    status: Annotated[int, Meta(description="of HTTP")]
    detail: Annotated[str, Meta(description="what is wrong")]
    hint: Annotated[str, Meta(description="how to mend it; empty: there is nothing to say")]


@dataclass(eq=False)  # not frozen: contextlib sets the traceback of what passes through it
class ProblemError(Exception):
    """A request that cannot be answered as it is; `detail` and `hint` are printable."""

    status: HTTPStatus
    detail: str
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> Response:
        """Make the response that says so."""
        body = msgspec.json.encode(Problem(self.status.phrase, self.status.value, self.detail, self.hint))
        return Response(self.status.value, PROBLEM_JSON, body, self.headers)
