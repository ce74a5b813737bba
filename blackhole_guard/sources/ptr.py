"""The `ptr:` entries of a map -> columns.

An entry is `address: name`, `address: [name, ...]` or `address: {name | names, ttl}`. A map may have a million of them,
so the usual entry takes a short way: the system's inet_pton(3) for the address, and for the name a check of its first
label and a look-up of the rest among those seen before. Whatever that does not take goes the long way, which explains.
"""

import re
from collections.abc import Iterator
from itertools import compress
from socket import AF_INET, AF_INET6, inet_pton

from blackhole_guard.config.document import Entry, Mapping, Node, Scalar, Sequence
from blackhole_guard.config.maps import PtrTable
from blackhole_guard.config.names import HostName, is_reverse_name, parse_host_name
from blackhole_guard.config.problems import FileProblems, ValueProblem, quote
from blackhole_guard.config.schema import describe, note_unknown_key
from blackhole_guard.config.settings import MAX_TTL
from blackhole_guard.config.values import Block, check_range, parse_address, parse_duration
from blackhole_guard.reserved.addresses import parse_reverse_name
from blackhole_guard.sources.ptr_keys import check_addresses, complete_address, explain_key, is_name
from blackhole_guard.wire.names import format_name

MOST_NAMES = 100  # PTRs at one owner: BIND does not load more
MANY_NAMES = 4  # more are a warning: a response over UDP must hold them, and programs use the first

_MAX_SUFFIXES = 65536  # remembered; names that share no suffix must not fill the memory
_MAX_SUFFIX = 255 - 64  # octets: whatever label stands before it, the name is not too long
# A label of a host name; hyphens in third and fourth place are for the long way, which knows `xn--`.
_is_plain_label = re.compile(r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?").fullmatch
_is_relative = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,2}").fullmatch
_LENGTHS = tuple(bytes((length,)) for length in range(64))
_MAPPED = bytes(10) + b"\xff\xff"  # the first octets of an IPv4-mapped address (RFC 4291 section 2.5.5.2)

Names = bytes | tuple[bytes, ...]
Suffixes = dict[str, bytes]  # a name's text behind its first dot -> the wire form of it


class PtrReader:
    """Reads one map's entries as they come, and settles at the end what depends on the map's other keys."""

    def __init__(self, problems: FileProblems, suffixes: Suffixes | None = None) -> None:
        """Begin without entries.

        Args:
            problems: where what is wrong goes.
            suffixes: what the maps before have seen, and those to come will; None: this one stands alone.
        """
        self._problems = problems
        self._table = PtrTable()
        self._ttls: dict[int, int] = {}  # row -> what its entry says
        self._relative: dict[int, str] = {}  # row -> a key that only the map's block completes
        self._to_reverse: list[tuple[int, bytes]] = []  # row, and a target that lies in the reverse tree
        self._suffixes: Suffixes = {} if suffixes is None else suffixes

    def read(self, entries: Iterator[Entry]) -> "PtrReader":
        """Take all entries."""
        table, suffixes = self._table, self._suffixes
        add_address, add_names, add_line = table.addresses.append, table.names.append, table.lines.append
        names: Names | None
        for line, key, value in entries:
            address: bytes | None
            try:
                address = inet_pton(AF_INET, key)
            except (OSError, ValueError):
                address = self._read_key(line, key)
            if type(value) is str:
                label, _, rest = value.partition(".")
                if rest in suffixes and _is_plain_label(label):
                    names = _LENGTHS[len(label)] + label.encode() + suffixes[rest]
                else:
                    names = self._read_name(line, value)
            else:
                names = self._read_value(line, key, value)
            if address is not None and names is not None:
                add_address(address)
                add_names(names)
                add_line(line)
            else:
                self._forget_row()
        return self

    @property
    def seen(self) -> bool:
        """Whether there was any entry that is well."""
        return bool(self._table.lines)

    def finish(self, block: Block | None, ttl: int) -> PtrTable:
        """Complete the table.

        Args:
            block: of the map; None: it has none, or it is not known because of a mistake.
            ttl: of the entries that say none.
        Returns:
            The rows that are well; of an address that is given twice, both.
        """
        table = self._table
        gone: set[int] = set()
        if block is not None:
            for row, key in self._relative.items():
                try:
                    table.addresses[row] = complete_address(key, block)
                except ValueProblem as problem:
                    self._problems.error(table.lines[row], problem.what, problem.hint)
                    gone.add(row)
            gone |= check_addresses(table, block, self._problems)
        self._check_reverse_targets()
        table.ttls = [ttl] * len(table.lines)
        for row, own in self._ttls.items():
            table.ttls[row] = own
        if gone:
            kept = [row not in gone for row in range(len(table.lines))]
            table.addresses = list(compress(table.addresses, kept))
            table.names = list(compress(table.names, kept))
            table.ttls = list(compress(table.ttls, kept))
            table.lines = list(compress(table.lines, kept))
        return table

    def _forget_row(self) -> None:
        """Drop what was noted of a row that came to nothing: the next entry takes its number."""
        row = len(self._table.lines)
        self._ttls.pop(row, None)
        self._relative.pop(row, None)
        while self._to_reverse and self._to_reverse[-1][0] == row:
            self._to_reverse.pop()

    def _read_key(self, line: int, key: str) -> bytes | None:
        """Read what is no IPv4 address; b"" for last octets, None after noting what is wrong."""
        if ":" in key:
            try:
                address = inet_pton(AF_INET6, key)
            except (OSError, ValueError):
                pass
            else:
                if not address.startswith(_MAPPED):
                    return address
        elif _is_relative(key):
            self._relative[len(self._table.lines)] = key
            return b""
        try:
            return parse_address(key).packed  # an inet_pton may be stricter, or know no IPv6
        except ValueProblem as problem:
            self._problems.error(line, *explain_key(key, problem), spoils=is_name(key))
            return None

    def _read_name(self, line: int, text: str) -> bytes | None:
        """Read one name; None after noting what is wrong."""
        try:
            name = parse_host_name(text)
        except ValueProblem as problem:
            self._problems.error(line, problem.what, problem.hint)
            return None
        for what, hint in name.doubts:
            self._problems.warning(line, what, hint)
        if is_reverse_name(name.wire):
            self._to_reverse.append((len(self._table.lines), name.wire))
        else:
            self._remember(text, name)
        return name.wire

    def _remember(self, text: str, name: HostName) -> None:
        rest = text.partition(".")[2]
        suffix = name.wire[1 + name.wire[0] :]
        if rest and not name.doubts and len(suffix) <= _MAX_SUFFIX:
            if len(self._suffixes) >= _MAX_SUFFIXES:
                self._suffixes.clear()
            self._suffixes[rest] = suffix

    def _read_value(self, line: int, key: str, node: Node | str) -> Names | None:
        """Read what is no plain text."""
        if isinstance(node, Sequence):
            return self._read_list(node)
        if isinstance(node, Mapping):
            return self._read_entry(key, node)
        if isinstance(node, Scalar) and node.quoted:
            return self._read_name(line, node.text)
        hint = f"write `{quote(key)}: host.example.com`, or delete the line"
        self._problems.error(line, f"`{quote(key)}` has no name", hint)
        return None

    def _read_list(self, node: Sequence) -> Names | None:
        found: dict[bytes, bytes] = {}
        good = True
        for item in node.items:
            if not isinstance(item, Scalar) or item.is_null:
                self._problems.error(item.line, f"a name is {describe(item)}", "write `[a.example.com, b.example.com]`")
                good = False
                continue
            name = self._read_name(item.line, item.text)
            if name is None:
                good = False
            elif name.lower() in found:
                what = f"`{format_name(name)}` stands twice in one list"
                self._problems.error(item.line, what, "delete one of the two")
                good = False
            else:
                found[name.lower()] = name
        if not node.items:
            self._problems.error(node.line, "a list without a name", "write names into it, or delete the entry")
        self._check_count(node.line, len(found))
        return tuple(found.values()) if good and found else None

    def _check_count(self, line: int, count: int) -> None:
        if count > MOST_NAMES:
            what = f"{count} names at one address, and {MOST_NAMES} are the most"
            self._problems.error(line, what, "name the host, not each service on it")
        elif count > MANY_NAMES:
            hint = "they are served; most programs use the first alone, and large answers need TCP"
            self._problems.warning(line, f"{count} names at one address", hint)

    def _read_entry(self, key: str, node: Mapping) -> Names | None:
        """Read `{name | names, ttl}`."""
        names: Names | None = None
        row, errors = len(self._table.lines), len(self._problems.errors)
        for entry_key, value in node.entries.values():
            if entry_key.text in ("name", "names"):
                names = self._read_names(key, value)
            elif entry_key.text == "ttl":
                self._read_ttl(row, value)
            else:
                note_unknown_key(entry_key, ("name", "names", "ttl"), self._problems)
        if "name" in node.entries and "names" in node.entries:
            self._problems.error(node.line, f"`{quote(key)}` has `name` and `names`", "write all into `names`")
        elif not {"name", "names"} & node.entries.keys() and len(self._problems.errors) == errors:
            self._problems.error(
                node.line, f"`{quote(key)}` has no `name`", "write `{name: host.example.com, ttl: 300}`"
            )
        return names

    def _read_names(self, key: str, node: Node) -> Names | None:
        if isinstance(node, Scalar) and not node.is_null:
            return self._read_name(node.line, node.text)
        if isinstance(node, Sequence):
            return self._read_list(node)
        self._problems.error(
            node.line, f"`{quote(key)}`: its name is {describe(node)}", "write a name, or a list of names"
        )
        return None

    def _read_ttl(self, row: int, node: Node) -> None:
        try:
            if not isinstance(node, Scalar):
                raise ValueProblem(f"is {describe(node)}", "write one duration, such as `4h`")
            self._ttls[row] = check_range(parse_duration(node.text), 0, MAX_TTL, " seconds")
        except ValueProblem as problem:
            self._problems.error(node.line, f"`ttl`: {problem.what}", problem.hint)

    def _check_reverse_targets(self) -> None:
        for row, target in self._to_reverse:
            shown = quote(format_name(target))
            line = self._table.lines[row]
            if parse_reverse_name(target.lower()) == self._table.addresses[row]:
                self._problems.error(line, f"`{shown}` is the PTR's own owner", "write the name of the host")
            else:
                hint = "it is served, but a PTR names a host: see that it is meant"
                self._problems.warning(line, f"`{shown}` is a reverse name", hint)
