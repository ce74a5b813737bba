"""The settings file's inline maps and all files that are included -> Sources, with every problem of every file.

Maps are read in the order in which they are named: inline ones first, then the files of each pattern in the order of
their paths, a file's own includes after it. A file that several patterns match is read once.
"""

import gc
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from blackhole_guard.config.digests import digest
from blackhole_guard.config.document import EntryReader, Mapping, Node, Scalar, Sequence, read_documents
from blackhole_guard.config.files import read_file, resolve_links
from blackhole_guard.config.load import (
    INLINE_MAPS,
    OVERRIDES,
    Overrides,
    read_settings_document,
    resolve_pattern,
)
from blackhole_guard.config.maps import Sources, ZoneMap
from blackhole_guard.config.problems import FileProblems, Place, Problem, ValueProblem, quote
from blackhole_guard.config.schema import describe
from blackhole_guard.config.settings import Settings
from blackhole_guard.sources.patterns import find_closed_folders, make_absolute, match_pattern
from blackhole_guard.sources.ptr import Suffixes
from blackhole_guard.sources.zone_map import Include, make_ptr_reader, read_map

MAX_INCLUDE_DEPTH = 16  # files that include one another; a tree of racks in rooms in houses needs four


def load_sources(
    config_path: str | None, settings: Settings, overrides: Overrides | None = None
) -> tuple[Sources, tuple[Problem, ...]]:
    """Read all maps.

    Args:
        config_path: of the settings file; None: there is none.
        settings: what was read from it and the overrides; the patterns in `include` are relative to the working
            directory.
        overrides: what replaced parts of the file, to name the place of a pattern.
    Returns:
        What could be read; and every problem, errors and warnings, sorted by place. What is wrong with the settings
        themselves, `read_settings` has said; here is only what concerns maps.
    """
    reader = _SourceReader(settings)
    with _without_collector():
        document = reader.read_settings_file(config_path) if config_path is not None else None
        chain = (resolve_links(config_path),) if config_path is not None else ()
        for pattern, place in _place_patterns(settings.include, document, config_path, overrides):
            reader.include(pattern, place, chain)
    return reader.finish()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from going through a million entries again and again: reading makes no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _place_patterns(
    patterns: Iterable[str], document: Node | None, config_path: str | None, overrides: Overrides | None
) -> Iterator[tuple[str, Place]]:
    """Find out where each pattern of the settings was written."""
    node = document.get("include") if isinstance(document, Mapping) else None
    items = node.items if isinstance(node, Sequence) else [node]
    lines: dict[str, int] = {}
    if config_path is not None and "include" not in (overrides or {}):
        lines = {
            resolve_pattern(item.text, config_path): item.line for item in reversed(items) if isinstance(item, Scalar)
        }
    file = FileProblems(config_path or OVERRIDES)
    for pattern in patterns:
        yield pattern, file.place(lines[pattern]) if pattern in lines else Place(OVERRIDES)


class _SourceReader:
    """Goes through the files, and remembers what it has read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._maps: list[ZoneMap] = []
        self._files: dict[str, bytes] = {}  # path -> digest; in the order of reading
        self._seen: set[str] = set()  # real paths
        self._patterns: dict[str, None] = {}
        self._problems: list[Problem] = []
        self._suffixes: Suffixes = {}

    def read_settings_file(self, path: str) -> Node | None:
        """Read the maps in the settings file, and return its document; None: it has none that can be read."""
        problems = FileProblems(path)
        self._seen.add(resolve_links(path))
        try:
            data = read_file(path)
        except ValueProblem:
            self._files[path] = b""
            return None
        self._files[path] = digest(data)
        stream: dict[tuple[str, ...], Callable[[], EntryReader]] = {
            (INLINE_MAPS, "*", "ptr"): lambda: make_ptr_reader(problems, self._suffixes)
        }
        document = next(read_documents(data, problems, stream=stream), None)
        includes = self._read_inline_maps(document, problems)
        _, said = read_settings_document(path)
        known = set(said.all())  # mistakes in the YAML itself, which the settings' reader has met and told
        self._problems.extend(problem for problem in problems.all() if problem not in known)
        self._follow(includes, path, (resolve_links(path),), problems)
        return document

    def _read_inline_maps(self, document: Node | None, problems: FileProblems) -> list[Include]:
        node = document.get(INLINE_MAPS) if isinstance(document, Mapping) else None
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return []
        if not isinstance(node, Sequence):
            hint = "begin each map with `- zone: ...`"
            problems.error(node.line, f"`{INLINE_MAPS}` is {describe(node)}, not a list of maps", hint)
            return []
        includes: list[Include] = []
        for item in node.items:
            includes.extend(self._read_map(item, problems))
        return includes

    def _read_map(self, node: Node, problems: FileProblems) -> tuple[Include, ...]:
        zone_map, includes = read_map(node, self._settings.defaults, problems)
        if zone_map is not None:
            self._maps.append(zone_map)
        return includes

    def _follow(self, includes: Iterable[Include], path: str, chain: tuple[str, ...], problems: FileProblems) -> None:
        for include in includes:
            self.include(resolve_pattern(include.pattern, path), problems.place(include.line), chain)

    def include(self, pattern: str, place: Place, chain: tuple[str, ...]) -> None:
        """Read the files that a pattern matches.

        Args:
            pattern: relative to the working directory, or absolute.
            place: where it is written.
            chain: real paths of the files that led here, the settings file first.
        """
        self._patterns[make_absolute(pattern)] = None
        paths = match_pattern(pattern)
        closed = find_closed_folders(pattern)
        for folder in closed:
            hint = "let the user that blackhole-guard runs as list and enter it"
            self._error(place, f"`{quote(pattern)}` cannot look into `{quote(folder)}`: permission denied", hint)
        if glob.has_magic(pattern):
            # A file whose pattern matches itself, as `*.yaml` does, means the others.
            paths = tuple(path for path in paths if resolve_links(path) not in chain[-1:])
        if not paths and not closed:
            where = "the working directory" if place.file == OVERRIDES else "the file that it stands in"
            hint = f"mend the pattern, or delete it; it is relative to {where}"
            self._error(place, f"`{quote(pattern)}` matches no file", hint)
        for path in paths:
            self._include_file(path, place, chain)

    def _include_file(self, path: str, place: Place, chain: tuple[str, ...]) -> None:
        real = resolve_links(path)
        if real in chain:
            between = " and ".join(f"`{quote(os.path.relpath(each))}`" for each in chain[chain.index(real) + 1 :])
            by_way = f" by way of {between}" if between else ""
            hint = "a file may not include one that leads to it: delete one of the lines"
            self._error(place, f"`{quote(path)}` includes itself{by_way}", hint)
        elif len(chain) > MAX_INCLUDE_DEPTH:
            self._error(
                place, f"`{quote(path)}` is included deeper than {MAX_INCLUDE_DEPTH} files", "name it further up"
            )
        elif real not in self._seen:
            self._seen.add(real)
            self._read_file(path, place, (*chain, real))

    def _read_file(self, path: str, place: Place, chain: tuple[str, ...]) -> None:
        try:
            data = read_file(path)
        except ValueProblem as problem:
            self._files[path] = b""
            self._error(place, f"`{quote(path)}` {problem.what}", problem.hint)
            return
        self._files[path] = digest(data)
        problems = FileProblems(path)
        includes: list[Include] = []
        count = 0
        for document in read_documents(
            data, problems, stream={("ptr",): lambda: make_ptr_reader(problems, self._suffixes)}
        ):
            count += 1
            includes.extend(self._read_map(document, problems))
        if not count and not problems.errors:
            problems.warning(0, "the file holds no map", "write `zone: 10.0.0.0/8` into it, or delete it")
        self._problems.extend(problems.all())
        self._follow(includes, path, chain, problems)

    def _error(self, place: Place, what: str, hint: str) -> None:
        self._problems.append(Problem(place, what, hint))

    def finish(self) -> tuple[Sources, tuple[Problem, ...]]:
        """Put together what was read."""
        problems = tuple(sorted(self._problems))
        sources = Sources(
            maps=tuple(self._maps),
            files=self._files,
            patterns=tuple(self._patterns),
            warnings=tuple(problem for problem in problems if problem.severity == "warning"),
        )
        return sources, problems
