"""The description of the API (OpenAPI 3.1.0), made of its resources and their structs.

Left out: security schemes (there are none), examples (docs/api.md has them).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from blackhole_guard.api.parameters import describe_parameters
from blackhole_guard.api.problems import PROBLEM_JSON, Problem
from blackhole_guard.api.resources import DESCRIPTION, ROOT, Resource

API_VERSION = "1.0.0"  # of the API: the first number is that of its paths
_REFERENCE = "#/components/schemas/{name}"
_ABOUT = (
    "What blackhole_guard's observer knows, read-only. Keys and resources may be added under /api/v1; none goes or "
    "changes its meaning. A resource that the settings switch off is 404 and says which setting it is."
)
# Statuses besides 200, and what they mean.
_PROBLEMS = {
    "400": "a parameter is wrong",
    "403": "the API is not for this client",
    "421": "asked for by a name that is not this machine's",
    "500": "a bug; the log has more",
}
_NOT_NOW = {"503": "not now: ask again after as many seconds as Retry-After says"}
_SOMETIMES = (f"{ROOT}/doctor", f"{ROOT}/zones", f"{ROOT}/explain")
_EXPLAIN = {"502": "the answer could not be made", "504": "it took too long"}
_OF_ITSELF = {
    "operationId": "openapi",
    "summary": "This document.",
    "responses": {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "object"}}}}},
}


def describe_api(resources: Sequence[Resource[Any, Any]]) -> bytes:
    """Make the OpenAPI document."""
    structs = dict.fromkeys((*(each.document for each in resources), Problem))
    _, components = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "blackhole_guard",
            "version": API_VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:9353"}],
        "paths": {**{each.path: {"get": _describe(each)} for each in resources}, DESCRIPTION: {"get": _OF_ITSELF}},
        "components": {"schemas": dict(sorted((*components.items(), *_parameter_enums(resources).items())))},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _describe(resource: Resource[Any, Any]) -> dict[str, Any]:
    problems = dict(_PROBLEMS)
    if resource.needs:
        of, verb = ("the setting", "is") if len(resource.needs) == 1 else ("the settings", "are")
        problems["404"] = f"{of} {' and '.join(resource.needs)} {verb} off"
    if resource.path in _SOMETIMES:
        problems |= _NOT_NOW
    if resource.path == f"{ROOT}/explain":
        problems |= _EXPLAIN
    return {
        "operationId": resource.path.removeprefix(ROOT).strip("/").replace("/", "_") or "index",
        "summary": resource.what,
        "parameters": describe_parameters(resource.parameters, _REFERENCE),
        "responses": {
            "200": _content("what it shows", "application/json", resource.document),
            **{status: _content(problems[status], PROBLEM_JSON, Problem) for status in sorted(problems)},
        },
    }


def _content(what: str, media: str, struct: type[msgspec.Struct]) -> Mapping[str, Any]:
    schema = {"$ref": _REFERENCE.format(name=struct.__name__)}
    return {"description": what, "content": {media: {"schema": schema}}}


def _parameter_enums(resources: Iterable[Resource[Any, Any]]) -> dict[str, Any]:
    """Give the schemas that parameters refer to; the parameters themselves are no schemas."""
    kinds = [each.parameters for each in resources]
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    return {name: schema for name, schema in components.items() if "enum" in schema}
