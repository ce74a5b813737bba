"""YAML as lines: nodes, what is refused, entries that are streamed."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config import document
from blackhole_guard.config.document import Scalar, Sequence, Streamed, read_documents
from blackhole_guard.config.problems import FileProblems


def read(text, stream=None):
    problems = FileProblems("map.yaml")
    data = text if isinstance(text, bytes) else text.encode()
    documents = list(read_documents(data, problems, stream=stream))
    return documents, [str(problem) for problem in problems.all()]


def plain(node):
    """A node without its lines."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, (_, value) in node.entries.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1.10", {"a": "1.10"}),
        ("a: no", {"a": "no"}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: 12:30:45", {"a": "12:30:45"}),
        ("1.10: x", {"1.10": "x"}),
        ("a: 2009-01-25", {"a": "2009-01-25"}),
        ("a: ~", {"a": "~"}),
        ("a:", {"a": ""}),
        ("a: [b, c]", {"a": ["b", "c"]}),
        ("a:\n- b\n- c", {"a": ["b", "c"]}),
        ("a: {b: c}", {"a": {"b": "c"}}),
        ("fd00::1: x", {"fd00::1": "x"}),
        ('"a b": "c\\td"', {"a b": "c\td"}),
        ("a: 'it''s'", {"a": "it's"}),
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("a: b # c", {"a": "b"}),
        ("[a, b]", ["a", "b"]),
        ("a", "a"),
    ],
)
def test_a_scalar_is_the_text_that_was_written(text, value):
    documents, said = read(text)
    assert (said, [plain(node) for node in documents]) == ([], [value])


def test_nodes_know_their_lines():
    (node,), said = read("a: b\n\n# comment\nc:\n  - d\n  - e: f\n")
    assert said == []
    assert [key.line for key, _ in node.entries.values()] == [1, 4]
    listed = node.get("c")
    assert (listed.line, [item.line for item in listed.items]) == (5, [5, 6])
    assert node.get("nothing") is None


@pytest.mark.parametrize(
    ("text", "null"),
    [
        ("a:", True),
        ("a: ~", True),
        ("a: null", True),
        ("a: Null", True),
        ("a: 'null'", False),
        ('a: ""', False),
        ("a: nul", False),
    ],
)
def test_what_is_nothing(text, null):
    (node,), _ = read(text)
    assert node.get("a").is_null is null


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("# x\n", 0), ("---\n---\n", 0), ("a: b\n---\nc: d\n", 2), ("---\na: b\n...\n", 1)]
)
def test_documents_that_hold_nothing_are_left_out(text, count):
    documents, said = read(text)
    assert (len(documents), said) == (count, [])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: &x b", 1, "an anchor, `&x`"),
        ("a: b\nc: *x", 2, "an alias, `*x`"),
        ("a: &x b\nc: *x", 2, "an alias, `*x`"),
        ("<<: *x", 1, "an alias, `*x`"),
        ("&x a: b", 1, "an anchor, `&x`"),
        ("a: !!python/object:os.system b", 1, "a tag, `tag:yaml.org,2002:python/object:os.system`"),
        ("a: !b c", 1, "a tag, `!b`"),
        ("!!map {a: b}", 1, "a tag, `tag:yaml.org,2002:map`"),
        ("[a, b]: c", 1, "a key that is a list or a mapping"),
        ("? {a: b}\n: c", 1, "a key that is a list or a mapping"),
        ("a: b\na: c", 2, "`a` is given twice, first on line 1"),
        ("a: {b: c,\n  b: d}", 2, "`b` is given twice, first on line 1"),
        ("a: b\n'a': c", 2, "`a` is given twice, first on line 1"),
        ("- " * 40 + "a", 1, "nested deeper than 32 levels"),
        ("[" * 40 + "]" * 40, 1, "nested deeper than 32 levels"),
    ],
)
def test_what_is_refused_is_told_at_its_line(text, line, what):
    _, said = read(text)
    at_line = [each for each in said if each.startswith(f"map.yaml:{line}: {what}; ")]
    assert len(at_line) == 1, said


def test_a_document_before_a_mistake_is_read():
    documents, said = read("a: b\n---\nc: [d\n")
    assert [plain(node) for node in documents] == [{"a": "b"}]
    assert len(said) == 1 and said[0].startswith("map.yaml:3: ")


def test_a_file_has_a_largest_number_of_values(monkeypatch):
    monkeypatch.setattr(document, "MAX_NODES", 10)
    assert read("[" + "a, " * 8 + "]")[1] == []
    (said,) = read("[" + "a, " * 10 + "]")[1]
    assert said == "map.yaml:1: more than 10 values; divide the file into several"


def collect(entries):
    return list(entries)


def stream(text, path=("ptr",)):
    (node,), said = read(text, {path: lambda: collect})
    return node, said


def test_entries_are_streamed_with_their_lines_and_not_kept():
    node, said = stream(
        "zone: x\nptr:\n  1: a\n  2: a.b\n  '3': 'c'\n  4: [d, e]\n  5: {name: f}\n  6:\n  7: ~\n  1: g\n"
    )
    assert said == []
    streamed = node.get("ptr")
    assert isinstance(streamed, Streamed) and streamed.line == 3
    shown = [(line, key, value if isinstance(value, str) else plain(value)) for line, key, value in streamed.result]
    assert shown == [
        (3, "1", "a"),
        (4, "2", "a.b"),
        (5, "3", "c"),
        (6, "4", ["d", "e"]),
        (7, "5", {"name": "f"}),
        (8, "6", ""),
        (9, "7", "~"),
        (10, "1", "g"),  # keys may repeat: the reader sees what they mean
    ]
    assert all(isinstance(value, Scalar) and value.is_null for _, _, value in streamed.result[5:7])


def test_each_mapping_of_a_list_is_streamed_by_itself():
    node, said = stream("zones:\n- ptr: {1: a}\n- ptr: {2: b}\n", ("zones", "*", "ptr"))
    assert said == []
    assert [item.get("ptr").result for item in node.get("zones").items] == [[(2, "1", "a")], [(3, "2", "b")]]


@pytest.mark.parametrize("value", ["[a]", "a", ""])
def test_what_is_no_mapping_is_not_streamed(value):
    node, _ = stream(f"ptr: {value}\n")
    assert not isinstance(node.get("ptr"), Streamed)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("&x 1: a", "an anchor, `&x`"),
        ("1: &x a", "an anchor, `&x`"),
        ("*x : a", "a key that is a list or a mapping"),
        ("!t 1: a", "a tag, `!t`"),
        ("1: !t a", "a tag, `!t`"),
        ("[1]: a", "a key that is a list or a mapping"),
        ("1: {a: b, a: c}", "`a` is given twice"),
    ],
)
def test_streamed_entries_are_held_to_the_same_rules(entry, what):
    node, said = stream(f"ptr:\n  0: before\n  {entry}\n  9: after\n")
    assert any(each.startswith("map.yaml:3: ") for each in said)
    assert any(what in each or "an alias" in each for each in said)
    assert [key for _, key, _ in node.get("ptr").result][-1] == "9"


def test_the_values_of_streamed_entries_do_not_add_up(monkeypatch):
    monkeypatch.setattr(document, "MAX_NODES", 20)
    node, said = stream("ptr:\n" + "".join(f"  {number}: [a, b, c]\n" for number in range(100)))
    assert (said, len(node.get("ptr").result)) == ([], 100)


def test_line_ends_of_other_systems_are_read():
    (node,), said = read(b"a: b\r\nc: d\r\n")
    assert (plain(node), said) == ({"a": "b", "c": "d"}, [])
    assert [key.line for key, _ in node.entries.values()] == [1, 2]


scalars = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), max_size=8
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(scalars, trees, min_size=1), st.sampled_from([True, False, None]))
def test_what_a_yaml_writer_writes_is_read_as_it_was(tree, flow):
    text = yaml.safe_dump(tree, allow_unicode=True, default_flow_style=flow, sort_keys=False)
    (node,), said = read(text)
    assert said == []
    assert plain(node) == tree


@given(st.binary() | st.text(st.sampled_from("ab:-[]{},&*!|>'\"%@`#?~\n  \t\r."), max_size=60).map(str.encode))
def test_any_octets_are_read_or_told(data):
    _, said = read(data, {("a",): lambda: collect})
    assert all(line.isprintable() and line.isascii() and "; " in line for line in said)


@given(st.text(st.sampled_from("ab:-[]{},&*!'\"#?\n "), max_size=60))
def test_the_slow_parser_reads_the_same(text):
    fast, told = read(text)
    loader = document.Loader
    document.Loader = yaml.SafeLoader
    try:
        slow, told_slowly = read(text)
    finally:
        document.Loader = loader
    # Where one of the two parsers of PyYAML stops earlier than the other, the file is an error for both all the same.
    if not told and not told_slowly:
        assert [plain(node) for node in fast] == [plain(node) for node in slow]
