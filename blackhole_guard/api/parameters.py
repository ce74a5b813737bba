"""The parameters of a request: of the query string (RFC 3986 section 3.4), one struct for what each resource takes.

Each has a default that is in the struct, or must be there. What is unknown, doubled or out of bounds is a problem.
"""

import difflib
import re
from functools import cache
from http import HTTPStatus
from typing import NoReturn, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from blackhole_guard.api.problems import ProblemError
from blackhole_guard.wire.names import escape_text

_MOST = 16  # parameters of a request; no resource has half as many
_SHOWN = 80  # characters of what is wrong
_NUMBER = re.compile(r"[0-9]{1,10}")
_PLACE = re.compile(r" - at `\$\.[a-z_]+`$")  # where msgspec found it; we say that ourselves

P = TypeVar("P", bound=msgspec.Struct)


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a resource takes that takes none."""


def parse_parameters(query: str, kind: type[P]) -> P:
    """Read a query string.

    Args:
        query: behind the `?`, as it was sent.
        kind: a struct whose fields are enumerations, and texts and whole numbers with bounds.
    Raises:
        ProblemError: 400, with what is wrong.
    """
    fields = {each.name: each for each in _fields(kind)}
    values: dict[str, object] = {}
    for name, value in _split(query):
        if name not in fields:
            _refuse_name(name, fields)
        if name in values:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"`{name}` stands twice in the query", "delete one of the two")
        # In octets of a number there is nothing but digits: msgspec would take more.
        is_number = isinstance(_plain(fields[name].type), inspect.IntType) and _NUMBER.fullmatch(value)
        values[name] = int(value) if is_number else value
    for name, each in fields.items():
        if each.required and name not in values:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, f"`{name}` is missing", f"add ?{name}=...: {_choices(each.type)}"
            )
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        name = next(name for name in values if str(error).endswith(f"`$.{name}`"))
        what = escape_text(_PLACE.sub("", str(error)), limit=2 * _SHOWN)
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"`{name}`: {what}", _choices(fields[name].type)) from error


def describe_parameters(kind: type[msgspec.Struct], ref_template: str) -> list[dict[str, object]]:
    """Describe the parameters that a struct stands for, as OpenAPI 3.1 does (section 4.8.12)."""
    _, components = msgspec.json.schema_components((kind,), ref_template=ref_template)
    schema = components[kind.__name__]
    described: list[dict[str, object]] = []
    for name, field in schema.get("properties", {}).items():
        value = {key: what for key, what in field.items() if key != "description" and (key, what) != ("default", None)}
        if "anyOf" in value:  # null, which cannot be sent, stands for a parameter that is not there
            (value,) = (each for each in value["anyOf"] if each != {"type": "null"})
        described.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema["required"],
                "description": field["description"],
                "schema": value,
            }
        )
    return described


def _split(query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        return parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST)
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            f"`?{escape_text(query, limit=_SHOWN)}` is no query",
            "write ?name=value&name=value, in UTF-8, with %XX for each octet that is no letter or digit",
        ) from error


def _refuse_name(name: str, known: dict[str, inspect.Field]) -> NoReturn:
    close = difflib.get_close_matches(name.lower()[:64], known, n=1)
    if close:
        hint = f"did you mean `{close[0]}`?"
    elif known:
        hint = f"there is {', '.join(known)}"
    else:
        hint = "this resource takes no parameters"
    raise ProblemError(HTTPStatus.BAD_REQUEST, f"unknown parameter `{escape_text(name, limit=_SHOWN)}`", hint)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found.fields


def _plain(kind: inspect.Type) -> inspect.Type:
    """Take off what is said besides of a type, and that there may be none."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        return next(_plain(each) for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind


def _choices(kind: inspect.Type) -> str:
    """Say what a parameter may be."""
    plain = _plain(kind)
    if isinstance(plain, inspect.EnumType):
        return f"one of: {', '.join(each.value for each in plain.cls)}"
    if isinstance(plain, inspect.IntType):
        return f"a whole number from {plain.ge} to {plain.le}"
    assert isinstance(plain, inspect.StrType)
    return f"{plain.min_length or 0} to {plain.max_length} characters"
