"""YAML as lines: documents become nodes that know their line and keep each scalar's text as it was written.

YAML 1.1 is read as events (`get_event`), with libyaml where PyYAML has it. No type is guessed: 1.10 stays "1.10", `no`
stays "no", and the schema says what they mean. Refused: anchors, aliases, tags, keys that are no plain text, a key
given twice, nesting beyond MAX_DEPTH. The entries of a mapping can be handed on one by one, without a node each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

from blackhole_guard.config.files import check_text
from blackhole_guard.config.problems import FileProblems, quote
from blackhole_guard.config.syntax import note_syntax_error

MAX_DEPTH = 32  # levels; a settings file has five
MAX_NODES = 1_000_000  # of one file, streamed entries not among them; a node costs some 200 octets of memory

Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # without libyaml: the same events, ten times slower
NULLS = frozenset(("", "~", "null", "Null", "NULL"))  # what YAML 1.1 takes for nothing, when it is not in quotes


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as it was written, quotes taken off and escapes in double quotes resolved."""

    line: int
    text: str
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether nothing was written, or one of the words for nothing."""
        return not self.quoted and self.text in NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: "list[Node]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values, in the order of the file; no key is there twice."""

    line: int
    entries: "dict[str, tuple[Scalar, Node]]" = field(default_factory=dict)

    def get(self, key: str) -> "Node | None":
        """Find the value of a key; None: it is not there."""
        entry = self.entries.get(key)
        return entry[1] if entry else None


@dataclass(frozen=True, slots=True)
class Streamed:
    """Stands for a mapping whose entries went to a reader."""

    line: int
    result: object


Node = Scalar | Sequence | Mapping | Streamed
Entry = tuple[int, str, str | Node]  # line and text of the key; the value: its text, or a node if it is no text
EntryReader = Callable[[Iterator[Entry]], object]


class _StopReadingError(Exception):
    """The document cannot be read on: the problem is noted."""


def read_documents(
    data: bytes, problems: FileProblems, *, stream: dict[tuple[str, ...], Callable[[], EntryReader]] | None = None
) -> Iterator[Node]:
    """Read the documents of a file one after the other; those that hold nothing are left out.

    Args:
        data: the file's octets.
        problems: notes what is wrong; the file is not read on after what is no YAML.
        stream: paths of mappings (`*` for a list's items) that are not made into nodes -> what makes a reader of each
            one's entries. The reader takes all of them; what it returns is the `Streamed.result`.
    """
    text = check_text(data, problems)
    if text is None:
        return
    # Octets, which the parser reads where they are; of text it would make a copy. The text is not kept beside them.
    octets = text.encode() if b"\r" in data else data
    del text
    loader = Loader(octets)
    composer = _Composer(loader.get_event, problems, stream or {})
    try:
        yield from composer.documents()
    except yaml.YAMLError as error:
        note_syntax_error(error, octets.decode(), problems)
    except _StopReadingError:
        pass
    finally:
        loader.dispose()


class _Composer:
    """Makes nodes of events."""

    def __init__(
        self,
        next_event: Callable[[], Any],
        problems: FileProblems,
        stream: dict[tuple[str, ...], Callable[[], EntryReader]],
    ) -> None:
        self._next = next_event
        self._problems = problems
        self._stream = stream
        self._nodes = 0

    def documents(self) -> Iterator[Node]:
        while not isinstance(event := self._next(), events.StreamEndEvent):
            if isinstance(event, (events.StreamStartEvent, events.DocumentStartEvent, events.DocumentEndEvent)):
                continue
            node = self._compose(event, ())
            if not (isinstance(node, Scalar) and node.is_null):
                yield node

    def _compose(self, event: Any, path: tuple[str, ...]) -> Node:
        line = self._check(event)
        if type(event) is events.ScalarEvent:
            return Scalar(line, event.value, bool(event.style))
        if type(event) is events.AliasEvent:
            return Scalar(line, "")  # the line is spoilt
        if len(path) >= MAX_DEPTH:
            self._problems.error(
                line, f"nested deeper than {MAX_DEPTH} levels", "no part of a map is deeper than a few"
            )
            raise _StopReadingError
        if type(event) is events.SequenceStartEvent:
            sequence = Sequence(line)
            while type(item := self._next()) is not events.SequenceEndEvent:
                sequence.items.append(self._compose(item, (*path, "*")))
            return sequence
        if path in self._stream:
            return Streamed(line, self._stream[path]()(self._entries(path)))
        return self._compose_mapping(line, path)

    def _compose_mapping(self, line: int, path: tuple[str, ...]) -> Mapping:
        mapping = Mapping(line)
        while type(event := self._next()) is not events.MappingEndEvent:
            key = self._compose(event, (*path, "?"))
            value_event = self._next()
            if not isinstance(key, Scalar):
                self._problems.error(key.line, "a key that is a list or a mapping", "write the key as plain text")
                self._compose(value_event, (*path, "?"))
                continue
            value = self._compose(value_event, (*path, key.text))
            if key.text in mapping.entries:
                self._note_twice(key, mapping.entries[key.text][0].line)
            else:
                mapping.entries[key.text] = key, value
        return mapping

    def _entries(self, path: tuple[str, ...]) -> Iterator[Entry]:
        """Go through a mapping's entries without keeping them. Keys may repeat: the reader sees what they mean."""
        next_event = self._next  # locals, because they are looked up a million times
        scalar: Any = events.ScalarEvent
        end = events.MappingEndEvent
        while True:
            key = next_event()
            if type(key) is not scalar:
                if type(key) is end:
                    return
                self._compose_key(key, path)
                continue
            value = next_event()
            line = key.start_mark.line + 1
            if key.tag is not None or key.anchor is not None:
                self._check(key)
            if type(value) is scalar and value.tag is None and value.anchor is None and value.value not in NULLS:
                yield line, key.value, value.value
            else:
                kept = self._nodes  # what one entry holds is gone with it
                yield line, key.value, self._compose(value, (*path, "?"))
                self._nodes = kept

    def _compose_key(self, event: Any, path: tuple[str, ...]) -> None:
        key = self._compose(event, (*path, "?"))
        self._problems.error(key.line, "a key that is a list or a mapping", "write the key as plain text")
        self._compose(self._next(), (*path, "?"))

    def _check(self, event: Any) -> int:
        """Refuse what makes one part of a document stand for another, or for an object; returns the event's line."""
        line: int = event.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._problems.error(line, f"more than {MAX_NODES} values", "divide the file into several")
            raise _StopReadingError
        if event.anchor is not None:
            kind = "an alias, `*" if type(event) is events.AliasEvent else "an anchor, `&"
            hint = "write each value out; put one that begins with `*` or `&` in quotes"
            self._problems.error(line, f"{kind}{quote(event.anchor)}`", hint, spoils=True)
        elif event.tag is not None:
            hint = "delete it: types follow from the keys; put a value that begins with `!` in quotes"
            self._problems.error(line, f"a tag, `{quote(event.tag)}`", hint, spoils=True)
        return line

    def _note_twice(self, key: Scalar, first: int) -> None:
        what = f"`{quote(key.text)}` is given twice, first on line {first}"
        self._problems.error(key.line, what, "delete one of the two")
