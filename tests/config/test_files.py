"""Octets of files: bounds, and text that is what it looks like."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config import files
from blackhole_guard.config.files import check_text, read_file
from blackhole_guard.config.problems import FileProblems, ValueProblem


def check(data: bytes) -> tuple[str | None, list[str]]:
    problems = FileProblems("map.yaml")
    text = check_text(data, problems)
    return text, [str(problem) for problem in problems.all()]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a: b\n", "a: b\n"),
        (b"a: b\r\nc: d\r\n", "a: b\nc: d\n"),
        ("a: bücher\n".encode(), "a: bücher\n"),
        (b"a:\tb # tabs behind the indentation\n", "a:\tb # tabs behind the indentation\n"),
        (b"a: b\n\t\n  \t \nc: d\n", "a: b\n\t\n  \t \nc: d\n"),  # blank lines
    ],
)
def test_plain_text(data, text):
    assert check(data) == (text, [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xef\xbb\xbfa: b\n", ["map.yaml:1: the file begins with a byte order mark; save it as UTF-8 without BOM"]),
        ("a: b\n".encode("utf-16"), ["map.yaml:1: the file is UTF-16, not UTF-8; save it as UTF-8 without BOM"]),
        (b"\xfe\xff\x00a", ["map.yaml:1: the file is UTF-16, not UTF-8; save it as UTF-8 without BOM"]),
        (b"\x00\x00\xfe\xff\x00\x00\x00a", ["map.yaml:1: the file is UTF-32, not UTF-8; save it as UTF-8 without BOM"]),
        ("a: b\n".encode("utf-32"), ["map.yaml:1: the file is UTF-32, not UTF-8; save it as UTF-8 without BOM"]),
        (b"a: b\nc: M\xfcnchen\n", ["map.yaml:2: not UTF-8: octet 0xfc, the 5th of the line; save the file as UTF-8"]),
        (b"\xff", ["map.yaml:1: not UTF-8: octet 0xff, the 1st of the line; save the file as UTF-8"]),
        (
            b"a: b\n 11 bytes \xe9\n",
            ["map.yaml:2: not UTF-8: octet 0xe9, the 11th of the line; save the file as UTF-8"],
        ),
        (b"a:\n\tb: c\n", ["map.yaml:2: a tab is used as indentation; indent with spaces"]),
        (
            b"a:\n  \tb: c\n\n \t d: e\n",
            [
                "map.yaml:2: a tab is used as indentation; indent with spaces",
                "map.yaml:4: a tab is used as indentation; indent with spaces",
            ],
        ),
        (b"a: b\x00\n", ["map.yaml:1: the control character 0x00; delete it; a binary file has no place here"]),
        (b"a: b\rc: d\r", ["map.yaml:1: the control character 0x0d; end lines with LF or CR LF"]),
        (
            b"a: b\n\x1b[31m\x7f",
            [
                "map.yaml:2: the control character 0x1b; delete it; a binary file has no place here",
                "map.yaml:2: the control character 0x7f; delete it; a binary file has no place here",
            ],
        ),
        ("a: b\nc: d\u2028e\n".encode(), ["map.yaml:2: the invisible character U+2028; delete it"]),
        ("a: \u202eb\n".encode(), ["map.yaml:1: the invisible character U+202E; delete it"]),
        ("a: b\ufeff\n".encode(), ["map.yaml:1: the invisible character U+FEFF; delete it"]),
        ("a: b\x85\n".encode(), ["map.yaml:1: the invisible character U+0085; delete it"]),
    ],
)
def test_what_is_no_plain_text(data, said):
    assert check(data) == (None, said)


def test_a_file_of_tabs_is_not_told_line_by_line_for_ever():
    assert len(check(b"\ta\n" * 10_000)[1]) == 101


@given(st.binary() | st.text().map(str.encode))
def test_any_octets_are_text_or_told(data):
    text, said = check(data)
    assert (text is None) == bool(said)
    assert all(line.isprintable() for line in said)
    if text is not None:
        assert text == data.decode().replace("\r\n", "\n")


def test_a_file_is_read_whole(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_bytes(b"zone: 10.0.0.0/8\n")
    assert read_file(str(path)) == b"zone: 10.0.0.0/8\n"


def make_file(path):
    path.write_bytes(b"")


UNREADABLE = {
    "missing": (lambda path: None, "cannot be read: no such file or directory", "put the file there"),
    "a directory": (lambda path: path.mkdir(), "is a directory", "`zones/*.yaml`"),
    "a FIFO": (os.mkfifo, "is no regular file", "`zones/*.yaml`"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is no regular file", "`zones/*.yaml`"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "cannot be read: no such file", "mend the path"),
    "a loop": (lambda path: path.symlink_to(path.name), "cannot be read: too many levels of symbolic links", "`cat`"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_file_is_told_and_never_waited_for(tmp_path, kind):
    make, what, hint = UNREADABLE[kind]
    path = tmp_path / "map.yaml"
    make(path)
    with pytest.raises(ValueProblem) as caught:
        read_file(str(path))
    assert what in caught.value.what and hint in caught.value.hint


def test_a_path_below_a_file(tmp_path):
    (tmp_path / "map.yaml").write_bytes(b"")
    with pytest.raises(ValueProblem) as caught:
        read_file(str(tmp_path / "map.yaml" / "x"))
    assert "not a directory" in caught.value.what and "mend the path" in caught.value.hint


def test_a_path_with_a_nul():
    with pytest.raises(ValueProblem) as caught:
        read_file("a\0b")
    assert "its name holds a NUL" in caught.value.what and caught.value.hint


def test_a_file_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE", 1 << 20)
    path = tmp_path / "map.yaml"
    path.write_bytes(b"#" * (1 << 20))
    assert len(read_file(str(path))) == 1 << 20
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ValueProblem) as caught:
        read_file(str(path))
    assert caught.value.what == "has more than 1 MiB" and "several files" in caught.value.hint


@pytest.mark.root
def test_a_file_of_somebody_else_is_told_with_the_remedy(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_bytes(b"")
    path.chmod(0)
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setuid(65534)
        try:
            read_file(str(path))
        except ValueProblem as problem:
            told = "cannot be read: permission denied" in problem.what and "let the user" in problem.hint
            os._exit(0 if told else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
