"""What `explain` says, as JSON: printed by `blackhole-guard explain --json`, and shown by the API, which runs it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ExplainedRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record of the answer."""

    type: str
    ttl: Annotated[int, Meta(ge=0, description="seconds")]
    data: Annotated[str, Meta(description="in the form of zone files")]


class ExplainedPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something is written."""

    file: str
    line: int


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a query for a name gets, and why, as the files say now: after a reload that is what the server does."""

    target: Annotated[str, Meta(description="what was asked for")]
    name: Annotated[str, Meta(description="the name that stands for it")]
    type: Annotated[str, Meta(description="that is looked for: PTR, or ANY for what is no address")]
    outcome: Annotated[str, Meta(description="for who iterates (RD=0)")]
    recursive_outcome: Annotated[str, Meta(description="for who asks for recursion (RD=1)")]
    records: tuple[ExplainedRecord, ...]
    place: Annotated[
        ExplainedPlace | None, Meta(description="where the record, the delegation or the switch is written")
    ]
    zone: Annotated[str | None, Meta(description="that answers; null: none of ours does")]
    block: Annotated[str | None, Meta(description="that the zone is for")]
    zone_place: Annotated[str | None, Meta(description="where it is written; null: it is built in")]
    delegation: Annotated[str | None, Meta(description="the delegated block that it lies in")]
    what: Annotated[str, Meta(description="what happens, in words")]
    why: Annotated[tuple[str, ...], Meta(description="a sentence each")]
    hint: Annotated[str, Meta(description="how to change it; empty: there is nothing to say")]
    errors: Annotated[int, Meta(ge=0, description="in settings and maps: with any, the server would not load them")]
