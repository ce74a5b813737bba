"""The `ptr:` entries of a map -> columns.

An entry is `address: name`, `address: [name, ...]` or `address: {name | names, ttl}`. A map may have a million of them,
so the usual entry takes a short way: the system's inet_pton(3) for the address, and for the name a check of its first
label and a look-up of the rest among those seen before. Whatever that does not take goes the long way, which explains.
"""

import re
from array import array
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, islice
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
from blackhole_guard.wire.columns import Addresses
from blackhole_guard.wire.names import format_name
from blackhole_guard.wire.values import LONGEST_NAME, UNKNOWN_TTL, make_entry_head, make_ptrs

MOST_NAMES = 100  # PTRs at one owner: BIND does not load more
MANY_NAMES = 4  # more are a warning: a response over UDP must hold them, and programs use the first

_MAX_SUFFIXES = 65536  # remembered; names that share no suffix must not fill the memory
_MAX_SUFFIX = LONGEST_NAME - 64  # octets: whatever label stands before it, an entry has room for the name
# A label of a host name; hyphens in third and fourth place are for the long way, which knows `xn--`.
_is_plain_label = re.compile(r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?").fullmatch
_is_relative = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,2}").fullmatch
_MAPPED = bytes(10) + b"\xff\xff"  # the first octets of an IPv4-mapped address (RFC 4291 section 2.5.5.2)

_AT_ONCE = 4096  # rows that are objects at the same time

Names = bytes | tuple[bytes, ...]
# A name's text behind its first dot -> the wire form of it, and what stands before a label of so many octets and it.
Suffixes = dict[str, tuple[bytes, tuple[bytes, ...]]]


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
        self._lines = self._table.lines
        self._ttl = UNKNOWN_TTL  # what the entry in hand says
        self._relative: dict[int, str] = {}  # row -> a key that only the map's block completes
        self._strays: dict[int, bytes] = {}  # row -> an address of another family than the first one's
        self._to_reverse: list[tuple[int, bytes]] = []  # row, and a target that lies in the reverse tree
        self._suffixes: Suffixes = {} if suffixes is None else suffixes

    def read(self, entries: Iterator[Entry]) -> "PtrReader":
        """Take all entries."""
        for first in entries:
            self._read_some(chain((first,), islice(entries, _AT_ONCE)))
        return self

    def _read_some(self, entries: Iterable[Entry]) -> None:
        suffixes = self._suffixes
        addresses, values = list[bytes](), list[bytes]()
        add_address, add_value, add_line = addresses.append, values.append, self._lines.append
        packed: bytes | None
        for line, key, value in entries:
            address: bytes | None
            try:
                address = inet_pton(AF_INET, key)
            except (OSError, ValueError):
                address = self._read_key(line, key)
            if type(value) is str:
                label, _, rest = value.partition(".")
                if rest in suffixes and _is_plain_label(label):
                    suffix, heads = suffixes[rest]
                    packed = heads[len(label)] + label.encode() + suffix
                else:
                    packed = self._pack(self._read_name(line, value))
            else:
                packed = self._pack(self._read_value(line, key, value))
            if address is not None and packed is not None:
                add_address(address)
                add_value(packed)
                add_line(line)
            else:
                self._forget_row()
        self._table.values.extend(values)
        self._take(addresses)

    def _pack(self, names: Names | None) -> bytes | None:
        """Pack the names of the entry in hand, with its TTL if it has one."""
        ttl, self._ttl = self._ttl, UNKNOWN_TTL
        return None if names is None else make_ptrs(names, ttl)

    def _take(self, addresses: list[bytes]) -> None:
        """Take the addresses of some rows."""
        column = self._table.addresses
        try:
            column.extend(addresses)
        except ValueError:
            width = column.width if len(column) else len(addresses[0])
            start = len(column)
            self._strays.update((row, each) for row, each in enumerate(addresses, start) if len(each) != width)
            column.extend([each if len(each) == width else bytes(width) for each in addresses])

    @property
    def seen(self) -> bool:
        """Whether there was any entry that is well."""
        return bool(self._lines)

    def finish(self, block: Block | None, ttl: int) -> PtrTable:
        """Complete the table.

        Args:
            block: of the map; None: it has none, or it is not known because of a mistake.
            ttl: of the entries that say none.
        Returns:
            The rows that are well; of an address that is given twice, both. Without a block there are none.
        """
        if block is None:
            self._check_reverse_targets()
            return PtrTable()
        table, gone = self._table, self._complete(block)
        addresses: Addresses | list[bytes] = table.addresses
        if gone or self._strays:
            addresses = [b"" if row in gone else self._address(row) for row in range(len(self._lines))]
        gone |= check_addresses(addresses, self._lines, block, self._problems)
        self._check_reverse_targets()
        table.values.settle_ttl(ttl)
        if gone or self._strays:
            kept = [row for row in range(len(self._lines)) if row not in gone]
            lines = array("I", [self._lines[row] for row in kept])
            return PtrTable(Addresses(map(self._address, kept)), table.values.pick(kept), lines)
        return table

    def _address(self, row: int) -> bytes:
        return self._strays.get(row) or self._table.addresses[row]

    def _complete(self, block: Block) -> set[int]:
        """Complete the keys of last octets; returns the rows where that is not possible."""
        gone: set[int] = set()
        for row, key in self._relative.items():
            try:
                address = complete_address(key, block)
            except ValueProblem as problem:
                self._problems.error(self._lines[row], problem.what, problem.hint)
                gone.add(row)
            else:
                if row in self._strays:
                    self._strays[row] = address
                else:
                    self._table.addresses.put(row, address)
        return gone

    def _forget_row(self) -> None:
        """Drop what was noted of a row that came to nothing: the next entry takes its number."""
        row = len(self._lines)
        self._relative.pop(row, None)
        while self._to_reverse and self._to_reverse[-1][0] == row:
            self._to_reverse.pop()

    def _read_key(self, line: int, key: str) -> bytes | None:
        """Read what is no IPv4 address; zeros for last octets, None after noting what is wrong."""
        if ":" in key:
            try:
                address = inet_pton(AF_INET6, key)
            except (OSError, ValueError):
                pass
            else:
                if not address.startswith(_MAPPED):
                    return address
        elif _is_relative(key):
            self._relative[len(self._lines)] = key
            return bytes(4)
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
            self._to_reverse.append((len(self._lines), name.wire))
        else:
            self._remember(text, name)
        return name.wire

    def _remember(self, text: str, name: HostName) -> None:
        rest = text.partition(".")[2]
        suffix = name.wire[1 + name.wire[0] :]
        # Below `arpa` there are names that are to be doubted, whatever stands before it.
        if rest and rest.lower() not in ("arpa", "arpa.") and not name.doubts and len(suffix) <= _MAX_SUFFIX:
            if len(self._suffixes) >= _MAX_SUFFIXES:
                self._suffixes.clear()
            self._suffixes[rest] = suffix, _heads(len(suffix))

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
        errors = len(self._problems.errors)
        for entry_key, value in node.entries.values():
            if entry_key.text in ("name", "names"):
                names = self._read_names(key, value)
            elif entry_key.text == "ttl":
                self._read_ttl(value)
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

    def _read_ttl(self, node: Node) -> None:
        try:
            if not isinstance(node, Scalar):
                raise ValueProblem(f"is {describe(node)}", "write one duration, such as `4h`")
            self._ttl = check_range(parse_duration(node.text), 0, MAX_TTL, " seconds")
        except ValueProblem as problem:
            self._problems.error(node.line, f"`ttl`: {problem.what}", problem.hint)

    def _check_reverse_targets(self) -> None:
        for row, target in self._to_reverse:
            shown = quote(format_name(target))
            line = self._lines[row]
            if parse_reverse_name(target.lower()) == self._address(row):
                self._problems.error(line, f"`{shown}` is the PTR's own owner", "write the name of the host")
            else:
                hint = "it is served, but a PTR names a host: see that it is meant"
                self._problems.warning(line, f"`{shown}` is a reverse name", hint)


@cache
def _heads(size: int) -> tuple[bytes, ...]:
    """Give what stands before a label, by its octets, if a suffix of so many octets follows: the entry's head."""
    return tuple(make_entry_head(1 + label + size, UNKNOWN_TTL) + bytes((label,)) for label in range(64))
