"""Nodes -> structs: each value is read as its field's type says, and every mistake is noted at its line.

The types are those of `settings`: booleans, whole numbers with bounds, durations, sizes, words, names, lists, structs.
A list of one item may be written as the item. A key that is there without a value counts as not there, where the field
may be without one.
"""

import difflib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from blackhole_guard.config import names, values
from blackhole_guard.config.clients import (
    parse_account,
    parse_client,
    parse_endpoint,
    parse_network,
    parse_resolver,
    parse_user,
)
from blackhole_guard.config.document import Mapping, Node, Scalar, Sequence
from blackhole_guard.config.problems import FileProblems, ValueProblem, quote
from blackhole_guard.wire.names import format_name

S = TypeVar("S", bound=msgspec.Struct)
_MISSING = object()  # a value that does not count: the base's stays

_WORDS: dict[str, Callable[[str], str]] = {
    "mailbox": lambda text: format_name(names.parse_mailbox(text)),
    "endpoint": parse_endpoint,
    "client": parse_client,
    "resolver": parse_resolver,
    "user": parse_user,
    "account": parse_account,
    "network": parse_network,
}


def read_struct(node: Node, base: S, problems: FileProblems, *, path: str = "", others: Iterable[str] = ()) -> S:
    """Lay what a mapping says over `base`.

    Args:
        node: the mapping; a scalar without a value says nothing.
        base: what holds where the mapping says nothing.
        path: of the mapping in its file, for messages: `server.tcp`.
        others: keys of this mapping that somebody else reads.
    Returns:
        A struct of the same type; fields with mistakes have the value of `base`.
    """
    if isinstance(node, Scalar) and node.is_null:
        return base
    if not isinstance(node, Mapping):
        what = f"{f'`{path}`' if path else 'the file'} is {describe(node)}, not a mapping"
        problems.error(node.line, what, f"write `{_example(type(base))}`")
        return base
    fields = {field.name: field for field in _fields(type(base))}
    changes: dict[str, object] = {}
    for key, value in node.entries.values():
        inner = f"{path}.{key.text}" if path else key.text
        if key.text in fields:
            changed = _read(fields[key.text].type, value, getattr(base, key.text), problems, inner)
            if changed is not _MISSING:
                changes[key.text] = changed
        elif key.text not in others:
            note_unknown_key(key, (*fields, *others), problems, path)
    return msgspec.structs.replace(base, **changes)


def note_unknown_key(key: Scalar, known: Iterable[str], problems: FileProblems, path: str = "") -> None:
    """Note a key that is none, with the one that was likely meant."""
    known = sorted(known)
    close = difflib.get_close_matches(key.text.lower()[:64], known, n=1)
    where = f" in `{path}`" if path else ""
    hint = f"did you mean `{close[0]}`?" if close else f"the keys{where or ' here'} are: {', '.join(known)}"
    problems.error(key.line, f"unknown key `{quote(key.text)}`{where}", hint)


def describe(node: Node) -> str:
    """Say what kind of value a node is."""
    if isinstance(node, Scalar):
        return "empty" if node.is_null else "text"
    return "a list" if isinstance(node, Sequence) else "a mapping"


@cache
def _fields(struct: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)
    return kind.fields


def _example(struct: type[msgspec.Struct]) -> str:
    return f"{_fields(struct)[0].name}: ..."


def _read(kind: inspect.Type, node: Node, base: Any, problems: FileProblems, path: str) -> object:
    """Read one value; _MISSING after noting what is wrong."""
    kinds = [kind]
    if isinstance(kind, inspect.UnionType):
        kinds = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        if len(kinds) < len(kind.types) and isinstance(node, Scalar) and node.is_null:
            return None
        kinds.sort(key=lambda each: isinstance(each, inspect.LiteralType))  # a number or a word: the number first
    if isinstance(kinds[0], inspect.StructType):
        return read_struct(node, base, problems, path=path)
    if isinstance(kinds[0], inspect.VarTupleType):
        return _read_list(kinds[0], node, problems, path)
    return _read_text(kinds, node, problems, path)


def _read_list(kind: inspect.VarTupleType, node: Node, problems: FileProblems, path: str) -> object:
    if isinstance(node, Scalar):
        node = Sequence(node.line, [] if node.is_null else [node])
    if not isinstance(node, Sequence):
        problems.error(
            node.line, f"`{path}` is {describe(node)}, not a list", f"write `{path.rpartition('.')[2]}: [...]`"
        )
        return _MISSING
    if kind.min_length and not node.items:
        problems.error(node.line, f"`{path}` is empty", "write at least one item, or delete the line for the default")
        return _MISSING
    items: dict[object, int] = {}
    good = True
    for item in node.items:
        value = _read_text([kind.item_type], item, problems, path)
        if value is _MISSING:
            good = False
        elif value in items:
            problems.error(item.line, f"`{quote(str(value))}` stands twice in `{path}`", "delete one of the two")
        else:
            items[value] = item.line
    return tuple(items) if good else _MISSING


def _read_text(kinds: list[inspect.Type], node: Node, problems: FileProblems, path: str) -> object:
    """Read a scalar as a type, or as one of a type's special words."""
    if not isinstance(node, Scalar):
        what = f"`{path}` is {describe(node)}, not a single value"
        problems.error(node.line, what, "write one value behind the colon")
        return _MISSING
    if node.is_null:
        problems.error(node.line, f"`{path}` has no value", "write one, or delete the line for the default")
        return _MISSING
    words = [str(word) for each in kinds[1:] if isinstance(each, inspect.LiteralType) for word in each.values]
    if node.text in words:
        return node.text
    try:
        return _parse(kinds[0], node, problems, path)
    except ValueProblem as problem:
        hint = problem.hint + "".join(f", or `{word}`" for word in words)
        problems.error(node.line, f"`{path}`: {problem.what}", hint)
        return _MISSING


def _parse(kind: inspect.Type, node: Scalar, problems: FileProblems, path: str) -> object:
    """Read text as a type. Raises ValueProblem."""
    text, extra = node.text, dict[str, Any]()
    if isinstance(kind, inspect.Metadata):
        extra, kind = kind.extra or {}, kind.type
    if isinstance(kind, inspect.BoolType):
        return values.parse_boolean(text)
    if isinstance(kind, inspect.IntType):
        return _parse_number(extra.get("kind"), text, kind)
    if isinstance(kind, inspect.LiteralType):
        return _parse_choice(text, [str(value) for value in kind.values])
    if extra.get("kind") == "host":
        host = names.parse_host_name(text)
        for what, hint in host.doubts:
            problems.warning(node.line, f"`{path}`: {what}", hint)
        return format_name(host.wire)
    if parse := _WORDS.get(extra.get("kind", "")):
        return parse(text)
    return _parse_line(text, extra.get("octets"))


def _parse_line(text: str, limit: int | None) -> str:
    octets = len(text.encode())
    if limit is not None and octets > limit:
        raise ValueProblem(f"`{quote(text)}` has {octets} octets", f"{limit} are the most")
    if not text.isprintable() or not text:
        raise ValueProblem(f"`{quote(text)}` is not one line of text", "write printable characters, at least one")
    return text


def _parse_number(kind: str | None, text: str, bounds: inspect.IntType) -> int:
    if kind == "duration":
        return values.check_range(values.parse_duration(text), bounds.ge, bounds.le, " seconds")
    if kind == "size":
        return values.check_range(values.parse_size(text), bounds.ge, bounds.le, " octets")
    return values.check_range(values.parse_number(text), bounds.ge, bounds.le)


def _parse_choice(text: str, choices: list[str]) -> str:
    if text in choices:
        return text
    close = difflib.get_close_matches(text.lower()[:64], choices, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"write one of: {', '.join(choices)}"
    raise ValueProblem(f"`{quote(text)}` is none of the choices", hint)
