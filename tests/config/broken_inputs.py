"""Kinds of broken input: the files, and where and how each mistake must be told."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Content = str | bytes | Callable[[Path], object]

CONFIG = "include: [zones/*.yaml]\n"
MAP = "zone: 10.0.0.0/8\nptr:\n"


class Broken(NamedTuple):
    """One kind. Its files are laid beside those of `FINE`, and replace them where the names are the same."""

    kind: str
    files: dict[str, Content]
    told: tuple[tuple[str, str], ...]  # place, and a part of the hint; in the order of places


FINE: dict[str, Content] = {"config.yaml": CONFIG, "zones/fine.yaml": MAP + "  10.9.9.9: fine.example.com\n"}


def write(files: dict[str, Content], root: Path) -> None:
    """Lay out files below `root`."""
    for name, content in (FINE | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def web(kind: str, text: str | bytes, line: int, hint: str) -> Broken:
    """A kind with one mistake in one map."""
    return Broken(kind, {"zones/web.yaml": text}, ((f"zones/web.yaml:{line}" if line else "zones/web.yaml", hint),))


def entry(kind: str, text: str, hint: str) -> Broken:
    """A kind with one mistake in one entry, between two that are well."""
    return web(kind, f"{MAP}  10.0.0.1: a.example.com\n  {text}\n  10.0.0.2: b.example.com\n", 4, hint)


def settings(kind: str, text: str, line: int, hint: str) -> Broken:
    """A kind with one mistake in the settings."""
    return Broken(kind, {"config.yaml": text}, ((f"config.yaml:{line}" if line else "config.yaml", hint),))


def include(kind: str, make: Callable[[Path], object], hint: str) -> Broken:
    """A kind of file that cannot be read: told where it is included."""
    return Broken(kind, {"zones/web.yaml": make}, (("config.yaml:1", hint),))


ZONE = "zone: 10.0.0.0/8\n"

BROKEN: tuple[Broken, ...] = (
    # keys
    web("unknown key of a map", f"{ZONE}ptrs: {{}}\n", 2, "did you mean `ptr`?"),
    web("unknown key that is like none", f"{ZONE}colour: red\n", 2, "the keys here are: allow_public, delegate"),
    entry("unknown key of an entry", "10.0.0.3: {nmae: web.example.com}", "did you mean `name`?"),
    settings("unknown setting", f"{CONFIG}server: {{prot: 53}}\n", 2, "did you mean `port`?"),
    settings("unknown part of the settings", f"{CONFIG}telemtry: {{}}\n", 2, "did you mean `telemetry`?"),
    web("key given twice", f"{ZONE}ttl: 1h\nttl: 2h\n", 3, "delete one of the two"),
    web("key that is a list", f"{ZONE}[a, b]: c\n", 2, "write the key as plain text"),
    web("no zone", "ttl: 1h\n", 1, "`zone: 10.0.0.0/8`"),
    web(
        "addresses beside zone",
        f"{ZONE}10.0.0.3: web.example.com\n10.0.0.4: db.example.com\n",
        2,
        "write a line `ptr:`",
    ),
    # blocks
    web("block without a prefix length", "zone: 10.0.0.0\n", 1, "`10.0.0.0/8` for the block"),
    web("block with bits behind its prefix", "zone: 10.0.0.3/24\n", 1, "write `10.0.0.0/24`"),
    web("prefix length that is none", "zone: 10.0.0.0/40\n", 1, "a number from 1 to 32"),
    web("block that is not reserved", "zone: 8.8.8.0/24\n", 1, "add `allow_public: true`"),
    web("block that is reserved in part", "zone: 172.0.0.0/8\n", 1, "`172.16.0.0/12`"),
    web("whole address space", "zone: 0.0.0.0/0\nallow_public: true\n", 1, "name the blocks that you use"),
    web("reverse name for a block", "zone: 0.10.in-addr.arpa\n", 1, "write `zone: 10.0.0.0/16`"),
    web("name that is no reserved zone", "zone: example.com\n", 1, "`home.arpa`"),
    web("part of a zone with name servers", "zone: 10.6.84.0/26\nns: [ns1.example.com]\n", 2, "`zone: 10.6.84.0/24`"),
    web("PTRs in a zone without addresses", "zone: home.arpa\nptr: {10.0.0.3: web.example.com}\n", 2, "delete `ptr`"),
    # addresses
    entry("octet above 255", "10.0.0.300: web.example.com", "octets go from 0 to 255"),
    entry("leading zero", "10.0.0.03: web.example.com", "write `10.0.0.3`"),
    entry("too few octets", "0.3: web.example.com", "or the last 3 octets"),
    entry("too many octets", "10.0.0.0.3: web.example.com", "an IPv4 address has four"),
    entry("bad IPv6 address", '"fd00::1::2": web.example.com', "one run of zero groups"),
    entry("IPv4 in IPv6", '"::ffff:10.0.0.3": web.example.com', "write `10.0.0.3`"),
    entry("interface in an address", '"fe80::1%eth0": web.example.com', "write `fe80::1`"),
    entry("block for an address", "10.0.0.0/24: web.example.com", "blocks of other servers stand in `delegate`"),
    entry("range for an address", "10.0.0.3-9: web.example.com", "one line for each address"),
    entry("reverse name for an address", "3.0.0.10.in-addr.arpa: web.example.com", "write `10.0.0.3`"),
    entry("name and address exchanged", "web.example.com: 10.0.0.3", "the other way round"),
    entry("address outside its zone", "192.168.7.9: web.example.com", "`zone: 192.168.0.0/16`"),
    entry(
        "public address outside its zone", "8.8.8.8: web.example.com", "`zone: 8.8.8.0/24`, with `allow_public: true`"
    ),
    entry("address given twice", "10.0.0.1: web.example.com", "one entry with a list of names"),
    web(
        "address given twice in two forms",
        'zone: fd00::/8\nptr:\n  fd00::1: a.b\n  "FD00:0::1": b.b\n',
        4,
        "a list of names",
    ),
    # names
    entry("no name", "10.0.0.3:", "`10.0.0.3: host.example.com`"),
    entry("empty list of names", "10.0.0.3: []", "write names into it"),
    entry("name twice in one list", "10.0.0.3: [web.example.com, WEB.example.com]", "delete one of the two"),
    entry("hyphen at the end of a label", "10.0.0.3: web-.example.com", "delete the hyphen"),
    entry("character that host names have not", "10.0.0.3: we$b.example.com", "letters, digits, hyphens and dots"),
    entry("empty label", "10.0.0.3: web..example.com", "two dots stand together"),
    entry("label of 64 characters", f"10.0.0.3: {'a' * 64}.example.com", "a label has at most 63"),
    entry("name of 256 octets", f"10.0.0.3: {'.'.join(['a' * 49] * 5)}.abcd", "253 characters are the most"),
    entry("name that ends in a number", "10.0.0.3: web.10", "host names end in letters"),
    entry("name that IDNA 2008 does not allow", "10.0.0.3: ☃.example.com", "in its `xn--` form"),
    entry("name in upper case that IDNA 2008 does not allow", "10.0.0.3: Bücher.example.com", "write it in lower case"),
    entry("wildcard", "10.0.0.3: '*.example.com'", "a PTR names one host"),
    entry("two names in one value", "10.0.0.3: a.example.com, b.example.com", "write several names as a list"),
    entry("URL for a name", "10.0.0.3: http://web.example.com", "the host name alone"),
    entry("mailbox for a name", "10.0.0.3: admin@example.com", "what is behind the `@`"),
    entry("PTR to an address", "10.0.0.3: 10.0.0.4", "write a name"),
    entry("PTR to its own owner", "10.0.0.3: 3.0.0.10.in-addr.arpa", "write the name of the host"),
    entry(
        "101 names at one address",
        f"10.0.0.3: [{', '.join(f'h{n}.example.com' for n in range(101))}]",
        "not each service",
    ),
    # TTLs and other values
    entry("TTL out of range", "10.0.0.3: {name: web.example.com, ttl: 2147483648}", "the most 2147483647 seconds"),
    web("TTL that is no duration", f"{ZONE}ttl: 4 hours\n", 2, "`1h30m`"),
    web("serial out of range", f"{ZONE}soa: {{serial: 20090125010}}\n", 2, "the most 4294967295"),
    web("name server that is an address", f"{ZONE}ns: [10.0.0.1]\n", 2, "write a name"),
    web("mailbox that is none", f"{ZONE}soa: {{rname: admin}}\n", 2, "write `admin@example.com`"),
    web("neither true nor false", f"{ZONE}serve: maybe\n", 2, "write `true` or `false`"),
    web("PTRs that are a list", f"{ZONE}ptr:\n  - 10.0.0.3: web.example.com\n", 3, "one line for each address"),
    web("map that is a list", "- zone: 10.0.0.0/8\n", 1, "write `zone: 10.0.0.0/8`"),
    settings("bad address to listen on", f"{CONFIG}server: {{listen: [127.0.0.256]}}\n", 2, "octets go from 0 to 255"),
    settings("bad client", f"{CONFIG}server: {{allow_query: [locla]}}\n", 2, "did you mean `local`?"),
    settings("inline maps that are no list", f"{CONFIG}zones: {{zone: 10.0.0.0/8}}\n", 2, "`- zone: ...`"),
    Broken(
        "mistake in an inline map",
        {"config.yaml": f"{CONFIG}zones:\n- zone: 10.0.0.0/8\n  ptr:\n    10.0.0.3: web..example.com\n"},
        (("config.yaml:5", "two dots stand together"),),
    ),
    # delegations
    web("delegation outside its zone", f"{ZONE}delegate:\n  192.168.0.0/24: [ns.b.c]\n", 3, "a block that holds it"),
    web("delegation of the whole zone", f"{ZONE}delegate:\n  10.0.0.0/8: [ns.b.c]\n", 3, "let the resolvers ask"),
    web("delegation without name servers", f"{ZONE}delegate:\n  10.20.0.0/16:\n", 3, "`{ns1.example.com: 10.20.0.10}`"),
    web(
        "delegation to an address",
        f"{ZONE}delegate:\n  10.20.0.0/16: 10.20.0.10\n",
        3,
        "`{ns1.example.com: 10.20.0.10}`",
    ),
    web("bad glue", f"{ZONE}delegate:\n  10.20.0.0/16: {{ns.b.c: 10.20.0}}\n", 3, "an IPv4 address has four"),
    # YAML
    web("alias", f"{MAP}  10.0.0.3: &web web.example.com\n", 3, "write each value out"),
    web("tag", f"{MAP}  10.0.0.3: !!str web.example.com\n", 3, "types follow from the keys"),
    web("tab as indentation", f"{MAP}\t10.0.0.3: web.example.com\n", 3, "indent with spaces"),
    web("line without a colon", f"{MAP}  10.0.0.3 web.example.com\n  10.0.0.4: db.example.com\n", 3, "write the colon"),
    web(
        "colon without a space", f"{MAP}  10.0.0.3:web.example.com\n  10.0.0.4: db.example.com\n", 3, "a space after it"
    ),
    web(
        "quote that is not closed",
        f"{MAP}  10.0.0.3: 'web.example.com\n  10.0.0.4: db.example.com\n",
        3,
        "on the same line",
    ),
    web("list that is not closed", f"{MAP}  10.0.0.3: [a.b, b.b\n  10.0.0.4: db.example.com\n", 3, "a `]` at the end"),
    web("line that does not fit", f"{MAP}    10.0.0.3: a.b\n   10.0.0.4: b.b\n", 4, "begin in one column"),
    web("two documents in one", f"{MAP}  10.0.0.3: a.b\n...\nzone: fd00::/8\n", 5, "write `---` on a line of its own"),
    web("nested without end", "a: " + "[" * 40 + "]" * 40 + "\n", 1, "no part of a map is deeper"),
    # octets
    web("byte order mark", b"\xef\xbb\xbf" + MAP.encode(), 1, "UTF-8 without BOM"),
    web("UTF-16", MAP.encode("utf-16"), 1, "UTF-8 without BOM"),
    web("not UTF-8", MAP.encode() + b"  10.0.0.3: b\xfccher.example.com\n", 3, "save the file as UTF-8"),
    web("control character", MAP.encode() + b"  10.0.0.3: a.b\x1b[31m\n", 3, "a binary file has no place here"),
    web("invisible character", f"{MAP}  10.0.0.3: a.b\u202e\n", 3, "delete it"),
    web("binary file", b"\x7fELF\x02\x01\x01\x00\n", 1, "a binary file has no place here"),
    web("line ends that are CR alone", b"zone: 10.0.0.0/8\rttl: 1h\r", 1, "end lines with LF or CR LF"),
    # files
    settings("include that matches nothing", "include: [zones/*.yaml, racks/*.yaml]\n", 1, "mend the pattern"),
    settings(
        "include of a file that is not there", "include:\n- zones/*.yaml\n- racks.yaml\n", 3, "put the file there"
    ),
    web("include of a map that matches nothing", f"{ZONE}include: [racks/*.yaml]\n", 2, "relative to the file"),
    Broken(
        "cycle",
        {
            "zones/web.yaml": f"{ZONE}include: [../more.yaml]\n",
            "more.yaml": "zone: fd00::/8\ninclude: zones/web.yaml\n",
        },
        (("more.yaml:2", "may not include one that leads to it"),),
    ),
    web("file that includes itself", f"{ZONE}include: [web.yaml]\n", 2, "may not include one that leads to it"),
    include("directory", os.mkdir, "a pattern such as `zones/*.yaml`"),
    include("FIFO", os.mkfifo, "a pattern such as `zones/*.yaml`"),
    include("link that leads nowhere", lambda path: path.symlink_to("nowhere"), "mend the path"),
    include("link that leads to itself", lambda path: path.symlink_to(path.name), "see that it can be read"),
    include("device", lambda path: path.symlink_to("/dev/zero"), "a pattern such as `zones/*.yaml`"),
    Broken("no settings file", {"config.yaml": lambda path: None}, (("config.yaml", "put the file there"),)),
    Broken("settings that are a directory", {"config.yaml": os.mkdir}, (("config.yaml", "name a file"),)),
    settings("two documents of settings", f"{CONFIG}---\n{CONFIG}", 3, "delete the line `---`"),
    settings("settings that are a list", "- include\n", 1, "write `server: ...`"),
    # what several mistakes in several files are told like
    Broken(
        "several mistakes in several files",
        {
            "config.yaml": "include: [zones/*.yaml, none.yaml]\nsrever: {}\n",
            "zones/a.yaml": f"{MAP}  10.0.0.256: a.b\n  10.0.0.3: -b\n  10.0.0.4: {{name: c.d, tll: 1}}\n",
            "zones/b.yaml": "zone: 10.0.0.0/8\nptr:\n\t3: a.b\n",
        },
        (
            ("config.yaml:1", "put the file there"),
            ("config.yaml:2", "did you mean `server`?"),
            ("zones/a.yaml:3", "octets go from 0 to 255"),
            ("zones/a.yaml:4", "delete the hyphen"),
            ("zones/a.yaml:5", "did you mean `ttl`?"),
            ("zones/b.yaml:3", "indent with spaces"),
        ),
    ),
)

# What only the maps together show: told by what makes zones of them.
CONTRADICTIONS: tuple[Broken, ...] = (
    Broken(
        "one address, two places, different names",
        {"zones/a.yaml": f"{MAP}  10.0.0.3: a.b\n", "zones/b.yaml": "zone: 10.0.0.0/24\nptr:\n  3: b.b\n"},
        (("zones/b.yaml:3", "keep one of the two"),),
    ),
)
