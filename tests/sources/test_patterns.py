"""What a pattern names, and where it may not look."""

import os
from pathlib import Path

import pytest

from blackhole_guard.sources.patterns import find_closed_folders, make_absolute, match_pattern


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Maps in `m/a` and `m/b`, below a working directory that all may enter."""
    monkeypatch.chdir(tmp_path)
    for name in ("m/a/x.yaml", "m/b/x.yaml", "m/file"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    tmp_path.chmod(0o755)


def as_nobody(check):
    """Run a check in a child that may not look into everything, as root may; gives the repr of what it returns."""
    here, there = os.pipe()
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setuid(65534)
        os.write(there, repr(check()).encode())
        os._exit(0)
    os.close(there)
    os.waitpid(pid, 0)
    with open(here) as pipe:
        return pipe.read()


def test_a_pattern_without_wildcards_names_itself():
    assert match_pattern("nowhere/x.yaml") == ("nowhere/x.yaml",)
    assert match_pattern("nowhere/*.yaml") == ()


@pytest.mark.root
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("mode", "pattern", "closed"),
    [
        (0o755, "m/*/*.yaml", ()),
        (0o700, "m/*/*.yaml", ("m/b",)),
        (0o711, "m/*/*.yaml", ("m/b",)),  # may be entered, not listed
        (0o744, "m/*/*.yaml", ("m/b",)),  # may be listed, not entered
        (0o700, "m/*/x.yaml", ("m/b",)),
        (0o711, "m/*/x.yaml", ()),
        (0o700, "m/b/*.yaml", ("m/b",)),
        (0o700, "m/b/deep/*.yaml", ("m/b/deep",)),  # cannot even be seen
        (0o700, "m/a/*.yaml", ()),
        (0o700, "m/b/x.yaml", ()),  # no wildcard: reading it says so
    ],
)
def test_folders_that_may_not_be_looked_into(mode, pattern, closed):
    Path("m/b").chmod(mode)
    assert as_nobody(lambda: find_closed_folders(pattern)) == repr(closed)


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("pattern", ["*.yaml", "m/*/*.yaml", "none/*.yaml", "m/file/*", "/*", "m/*/", "x.yaml", ""])
def test_what_is_open_or_is_not_there_is_not_told(pattern):
    assert find_closed_folders(pattern) == ()


def test_a_pattern_in_a_working_directory_that_was_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert make_absolute("m/*.yaml") == f"{tmp_path}/m/*.yaml"
    tmp_path.rmdir()
    assert make_absolute("m/*.yaml") == "m/*.yaml"
