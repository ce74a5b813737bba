"""The settings file -> Settings. No file is a valid configuration: then the defaults hold."""

import os
from collections.abc import Iterator
from collections.abc import Mapping as Mapped
from collections.abc import Sequence as Listed

import msgspec

from blackhole_guard.config.document import Entry, Mapping, Node, Scalar, Sequence, read_documents
from blackhole_guard.config.files import read_file
from blackhole_guard.config.problems import FileProblems, Problem, SettingsError, ValueProblem
from blackhole_guard.config.schema import read_struct
from blackhole_guard.config.settings import Settings

INLINE_MAPS = "zones"  # the key of the settings file that holds maps; `sources` reads them
OVERRIDES = "command line"  # the place of mistakes in overrides

Overrides = Mapped[str, str | Listed[str]]


def load_settings(path: str | None, overrides: Overrides | None = None) -> Settings:
    """Read the settings.

    Args:
        path: of the settings file; None: there is none.
        overrides: dotted settings with their values as in YAML, `{"server.port": "5300", "include": ["*.yaml"]}`; they
            replace what the file says. Patterns in them are relative to the working directory.
    Raises:
        SettingsError: with every mistake in the file and the overrides.
    """
    settings, problems = read_settings(path, overrides)
    if any(problem.severity == "error" for problem in problems):
        raise SettingsError(problems)
    return settings


def read_settings(path: str | None, overrides: Overrides | None = None) -> tuple[Settings, tuple[Problem, ...]]:
    """Read the settings as `load_settings` does, but return the problems, warnings among them.

    Where the file is wrong, the defaults hold.
    """
    settings, found = Settings(), list[Problem]()
    if path is not None:
        settings, problems = _read_settings_file(path)
        found.extend(problems.all())
    if overrides:
        problems = FileProblems(OVERRIDES)
        settings = read_struct(_build_overrides(overrides), settings, problems)
        found.extend(problems.all())
    return settings, tuple(found)


def read_settings_document(path: str) -> tuple[Node | None, FileProblems]:
    """Read the settings file's only document; None: it holds nothing, or is none."""
    problems = FileProblems(path)
    try:
        data = read_file(path)
    except ValueProblem as problem:
        problems.error(0, f"the settings file {problem.what}", problem.hint)
        return None, problems
    # Entries of inline maps are for `sources`: a million of them must not become nodes here.
    documents = list(read_documents(data, problems, stream={(INLINE_MAPS, "*", "ptr"): lambda: _skip}))
    if len(documents) > 1:
        problems.error(documents[1].line, "a second document", "settings are one: delete the line `---`")
    return (documents[0] if documents else None), problems


def _skip(entries: Iterator[Entry]) -> None:
    for _ in entries:
        pass


def _read_settings_file(path: str) -> tuple[Settings, FileProblems]:
    node, problems = read_settings_document(path)
    if node is None:
        return Settings(), problems
    if isinstance(node, Mapping) and "zone" in node.entries:
        hint = "read it by --zones, or name it in `include` of a settings file"
        problems.error(node.entries["zone"][0].line, "this is a map, not a settings file", hint)
        return Settings(), problems
    settings = read_struct(node, Settings(), problems, others=(INLINE_MAPS,))
    include = tuple(resolve_pattern(pattern, path) for pattern in settings.include)
    server = settings.server
    if server.state_dir is not None:
        server = msgspec.structs.replace(server, state_dir=resolve_pattern(server.state_dir, path))
    leaks, dnstap, watch = settings.leaks, settings.leaks.dnstap, settings.leaks.watch
    if dnstap.socket is not None:
        dnstap = msgspec.structs.replace(dnstap, socket=resolve_pattern(dnstap.socket, path))
    if watch.socket is not None:
        watch = msgspec.structs.replace(watch, socket=resolve_pattern(watch.socket, path))
    leaks = msgspec.structs.replace(leaks, dnstap=dnstap, watch=watch)
    return msgspec.structs.replace(settings, server=server, leaks=leaks, include=include), problems


def resolve_pattern(pattern: str, file: str) -> str:
    """Turn a path or pattern that is relative to the file that names it into one for the working directory."""
    return os.path.normpath(os.path.join(os.path.dirname(file), pattern))


def _build_overrides(overrides: Overrides) -> Mapping:
    root = Mapping(0)
    for name, value in overrides.items():
        *sections, last = name.split(".")
        mapping = root
        for section in sections:
            found = mapping.entries.setdefault(section, (Scalar(0, section), Mapping(0)))[1]
            assert isinstance(found, Mapping)
            mapping = found
        node: Node = (
            Scalar(0, value, True) if isinstance(value, str) else Sequence(0, [Scalar(0, each, True) for each in value])
        )
        mapping.entries[last] = Scalar(0, last), node
    return root
