"""Nodes -> structs, by the types of the fields."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from blackhole_guard.config.document import read_documents
from blackhole_guard.config.problems import FileProblems
from blackhole_guard.config.schema import read_struct


class Inner(msgspec.Struct, frozen=True):
    timeout: Annotated[int, Meta(ge=1, le=60, extra={"kind": "duration"})] = 5
    size: Annotated[int, Meta(ge=1, le=4096, extra={"kind": "size"})] = 512


class Outer(msgspec.Struct, frozen=True):
    flag: bool = False
    number: Annotated[int, Meta(ge=0, le=10)] = 3
    workers: Annotated[int, Meta(ge=1, le=4)] | Literal["auto"] = "auto"
    choice: Literal["text", "json"] = "text"
    text: str = "t"
    label: Annotated[str, Meta(extra={"kind": "text", "octets": 4})] | None = "x"
    host: Annotated[str, Meta(extra={"kind": "host"})] | None = None
    mailbox: Annotated[str, Meta(extra={"kind": "mailbox"})] | None = None
    names: tuple[str, ...] = ("a",)
    clients: tuple[Annotated[str, Meta(extra={"kind": "client"})], ...] | None = None
    some: Annotated[tuple[str, ...], Meta(min_length=1)] = ("a",)
    inner: Inner = Inner()


def read(text, base=None, **options):
    problems = FileProblems("c.yaml")
    (node,) = read_documents(text.encode(), problems)
    return read_struct(node, Outer() if base is None else base, problems, **options), problems


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("flag: yes", {"flag": True}),
        ("flag: 'on'", {"flag": True}),
        ("number: 0", {"number": 0}),
        ("number: '7'", {"number": 7}),
        ("workers: 2", {"workers": 2}),
        ("workers: auto", {"workers": "auto"}),
        ("choice: json", {"choice": "json"}),
        ("text: 1.10", {"text": "1.10"}),
        ("text: no", {"text": "no"}),
        ("text: 'null'", {"text": "null"}),
        ("label: abcd", {"label": "abcd"}),
        ("label:", {"label": None}),
        ("label: ~", {"label": None}),
        ("host: web.Example.com", {"host": "web.Example.com."}),
        ("mailbox: admin@example.com", {"mailbox": "admin.example.com."}),
        ("names: [b, c]", {"names": ("b", "c")}),
        ("names: b", {"names": ("b",)}),  # a list of one may be written as its item
        ("names: []", {"names": ()}),
        ("names:", {"names": ()}),
        ("clients: [10.0.0.0/8, local, FD00::1]", {"clients": ("10.0.0.0/8", "local", "fd00::1")}),
        ("clients:", {"clients": None}),
        ("inner: {timeout: 1m}", {"inner": Inner(timeout=60)}),
        ("inner: {timeout: 1m, size: 4KiB}", {"inner": Inner(60, 4096)}),
        ("inner:", {}),
    ],
)
def test_what_is_said_lies_over_what_holds(text, changes):
    value, problems = read(text)
    assert (value, problems.all()) == (msgspec.structs.replace(Outer(), **changes), ())


def test_the_base_stays_where_nothing_is_said():
    base = Outer(flag=True, names=("x", "y"), inner=Inner(7, 8))
    value, problems = read("inner: {size: 9}", base)
    assert (value, problems.all()) == (msgspec.structs.replace(base, inner=Inner(7, 9)), ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flag: maybe", "`flag`: `maybe` is neither true nor false; write `true` or `false`"),
        ("flag:", "`flag` has no value; write one, or delete the line for the default"),
        ("flag: [true]", "`flag` is a list, not a single value; write one value behind the colon"),
        ("number: 11", "`number`: 11 is out of range; the least is 0, the most 10"),
        ("number: -1", "`number`: `-1` is no whole number; write digits only"),
        ("number: {a: b}", "`number` is a mapping, not a single value"),
        ("workers: 5", "`workers`: 5 is out of range; the least is 1, the most 4, or `auto`"),
        ("workers: many", "`workers`: `many` is no whole number; write digits only, or `auto`"),
        ("choice: jsn", "`choice`: `jsn` is none of the choices; did you mean `json`?"),
        ("choice: xml", "`choice`: `xml` is none of the choices; write one of: json, text"),
        ("text: ''", "`text`: `` is not one line of text; write printable characters, at least one"),
        ('text: "a\\nb"', "is not one line of text"),
        ("label: abcde", "`label`: `abcde` has 5 octets; 4 are the most"),
        ("label: äöü", "has 6 octets; 4 are the most"),
        ("host: -x.com", "`host`: `-x.com` has a label that begins or ends with a hyphen"),
        ("mailbox: admin", "`mailbox`: `admin` is no mailbox"),
        ("names: {a: b}", "`names` is a mapping, not a list; write `names: [...]`"),
        ("names: [a, a]", "`a` stands twice in `names`; delete one of the two"),
        ("names: [a, [b]]", "`names` is a list, not a single value"),
        ("some: []", "`some` is empty; write at least one item, or delete the line for the default"),
        ("some:", "`some` is empty; write at least one item, or delete the line for the default"),
        ("names: [a, ~]", "`names` has no value"),
        ("clients: [10.0.0.0/8, 10.0.0.1/8]", "`clients`: `10.0.0.1/8` has bits set behind its prefix"),
        ("inner: 5", "`inner` is text, not a mapping; write `timeout: ...`"),
        ("inner: {timeout: 61}", "`inner.timeout`: 61 is out of range; the least is 1, the most 60 seconds"),
        ("inner: {size: 8KiB}", "`inner.size`: 8192 is out of range; the least is 1, the most 4096 octets"),
        ("inner: {tiemout: 5}", "unknown key `tiemout` in `inner`; did you mean `timeout`?"),
        ("inner: {x: 5}", "unknown key `x` in `inner`; the keys in `inner` are: size, timeout"),
        ("zoom: 5", "unknown key `zoom`; the keys here are: choice, clients, flag, host, inner, label"),
        ("FLAG: yes", "unknown key `FLAG`; did you mean `flag`?"),
        ("- flag", "the file is a list, not a mapping; write `flag: ...`"),
        ("flag", "the file is text, not a mapping; write `flag: ...`"),
    ],
)
def test_a_mistake_is_told_once_and_the_base_stays(text, said):
    value, problems = read(text)
    assert value == Outer() or text.startswith("names: [a, a]")
    (problem,) = problems.errors
    assert str(problem).startswith("c.yaml:1: ") and said in str(problem) and problem.hint


def test_all_mistakes_are_told_each_at_its_line():
    _, problems = read("flag: x\nnumber: y\ninner:\n  timeout: z\n  nothing: 1\nnames:\n  - a\n  - [b]\n")
    assert [problem.place.line for problem in problems.errors] == [1, 2, 4, 5, 8]


def test_a_doubtful_name_is_a_warning():
    value, problems = read("host: my_web.example.com")
    assert value.host == "my_web.example.com."
    assert [(str(problem.place), problem.severity) for problem in problems.all()] == [("c.yaml:1", "warning")]
    assert problems.warnings[0].what.startswith("`host`: ")


def test_keys_of_others_are_left_to_them_but_known():
    _, problems = read("zones: []\n", others=("zones",))
    assert problems.all() == ()
    _, problems = read("zonse: []\n", others=("zones",))
    assert "did you mean `zones`?" in problems.errors[0].hint


def test_the_path_of_a_part_is_in_its_messages():
    _, problems = read("flag: x", path="outer")
    assert problems.errors[0].what.startswith("`outer.flag`: ")
