"""Files that include one another, and inline maps."""

import gc
import os
from pathlib import Path

import pytest

from blackhole_guard.config.digests import digest
from blackhole_guard.config.load import read_settings
from blackhole_guard.config.settings import Settings
from blackhole_guard.sources.load import load_sources

TEN = "zone: 10.0.0.0/8\n"


def names(loaded):
    return [zone_map.name for zone_map in loaded.sources.maps]


def test_no_file_at_all_is_a_source():
    sources, problems = load_sources(None, Settings())
    assert (sources.maps, sources.files, sources.patterns, sources.warnings, problems) == ((), {}, (), (), ())


def test_inline_maps_come_first_and_files_in_the_order_of_patterns_and_paths(load):
    loaded = load(
        {
            "config.yaml": "include: [z/*.yaml, a.yaml]\nzones:\n  - zone: 10.0.0.0/8\n    ptr: {10.0.0.3: a.b}\n",
            "a.yaml": "zone: 10.1.0.0/16\n",
            "z/2.yaml": "zone: 10.2.0.0/16\ninclude: [deep/*]\n",
            "z/3.yaml": "zone: 10.3.0.0/16\n",
            "z/deep/x.txt": "zone: 10.4.0.0/16\n",
        }
    )
    assert loaded.said == []
    assert names(loaded) == ["10.0.0.0/8", "10.2.0.0/16", "10.4.0.0/16", "10.3.0.0/16", "10.1.0.0/16"]
    assert list(loaded.sources.files) == ["config.yaml", "z/2.yaml", "z/deep/x.txt", "z/3.yaml", "a.yaml"]
    assert str(loaded.sources.maps[0].place) == "config.yaml:3"
    assert [str(zone_map.place) for zone_map in loaded.sources.maps[1:3]] == ["z/2.yaml:1", "z/deep/x.txt:1"]
    root = os.getcwd()
    assert loaded.sources.patterns == (f"{root}/z/*.yaml", f"{root}/z/deep/*", f"{root}/a.yaml")
    assert loaded.sources.files["a.yaml"] == digest(Path("a.yaml").read_bytes())


def test_patterns_are_relative_to_the_file_that_names_them(load, monkeypatch):
    load({"conf/config.yaml": "include: maps/*.yaml\n", "conf/maps/a.yaml": TEN})
    settings, _ = read_settings("conf/config.yaml")
    sources, problems = load_sources("conf/config.yaml", settings)
    assert problems == ()
    assert list(sources.files) == ["conf/config.yaml", "conf/maps/a.yaml"]
    config = os.path.abspath("conf/config.yaml")
    monkeypatch.chdir("/")
    settings, _ = read_settings(config)
    sources, problems = load_sources(config, settings)
    assert (problems, len(sources.maps)) == ((), 1)


def test_an_override_of_include_is_relative_to_the_working_directory_and_replaces_the_files(load):
    files = {
        "config.yaml": "include: a.yaml\nzones:\n  - zone: 10.0.0.0/8\n",
        "a.yaml": TEN,
        "b.yaml": "zone: fd00::/8\n",
    }
    assert names(load(files, {"include": ["b.yaml"]})) == ["10.0.0.0/8", "fd00::/8"]
    assert load(files, {"include": ["c*.yaml"]}).said == [
        "command line: `c*.yaml` matches no file; mend the pattern, or delete it; it is relative to the working "
        "directory"
    ]


def test_dotfiles_never_match_a_wildcard_but_can_be_named(load):
    files = {"config.yaml": "include: [m/*]\n", "m/a.yaml": TEN, "m/.b.yaml": "zone: fd00::/8\n"}
    assert names(load(files)) == ["10.0.0.0/8"]
    assert names(load(files, {"include": ["m/.*"]})) == []
    assert names(load(files, {"include": ["m/.b.yaml"]})) == ["fd00::/8"]


def test_a_directory_that_is_hidden_can_be_named(load):
    assert names(load({"config.yaml": "include: .maps/*.yaml\n", ".maps/a.yaml": TEN})) == ["10.0.0.0/8"]


def test_a_file_that_is_included_twice_is_read_once(load):
    loaded = load({"config.yaml": "include: [m/*.yaml, ./m/../m/a.yaml, link.yaml]\n", "m/a.yaml": TEN})
    assert [problem.place.line for problem in loaded.problems] == [1]  # link.yaml is not there yet
    os.symlink("m/a.yaml", "link.yaml")
    loaded = load({"config.yaml": "include: [m/*.yaml, ./m/../m/a.yaml, link.yaml]\n"})
    assert loaded.said == []
    assert (len(loaded.sources.maps), list(loaded.sources.files)) == (1, ["config.yaml", "m/a.yaml"])


def test_the_links_of_a_configmap(load):
    # Kubernetes: web.yaml -> ..data/web.yaml, ..data -> ..2026_01_01; a new version moves ..data.
    os.makedirs("m/..2026_01_01")
    Path("m/..2026_01_01/web.yaml").write_text(TEN)
    os.symlink("..2026_01_01", "m/..data")
    os.symlink("..data/web.yaml", "m/web.yaml")
    loaded = load({"config.yaml": "include: m/*\n"})
    assert (loaded.said, list(loaded.sources.files)) == ([], ["config.yaml", "m/web.yaml"])


def test_a_wildcard_that_matches_the_file_itself_means_the_others(load):
    loaded = load({"config.yaml": "include: '*.yaml'\n", "a.yaml": TEN})
    assert (loaded.said, names(loaded)) == ([], ["10.0.0.0/8"])
    os.unlink("a.yaml")
    assert load({"config.yaml": "include: '*.yaml'\n"}).said[0].startswith("config.yaml:1: `*.yaml` matches no file")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"config.yaml": "include: config.yaml\n"}, ["config.yaml:1: `config.yaml` includes itself"]),
        (
            {"config.yaml": "include: a.yaml\n", "a.yaml": TEN + "include: [a.yaml]\n"},
            ["a.yaml:2: `a.yaml` includes itself"],
        ),
        (
            {
                "config.yaml": "include: a.yaml\n",
                "a.yaml": TEN + "include: b.yaml\n",
                "b.yaml": TEN + "include: a.yaml\n",
            },
            ["b.yaml:2: `a.yaml` includes itself by way of `b.yaml`"],
        ),
        (
            {
                "config.yaml": "include: [c.yaml, a.yaml]\n",
                "a.yaml": TEN + "include: b.yaml\n",
                "b.yaml": TEN + "\ninclude: [c.yaml]\n",
                "c.yaml": TEN + "include:\n- d.yaml\n- a.yaml\n",
                "d.yaml": TEN,
            },
            ["b.yaml:3: `c.yaml` includes itself by way of `a.yaml` and `b.yaml`"],
        ),
        (
            {"config.yaml": "include: a.yaml\n", "a.yaml": TEN + "include: c*.yaml\n"},
            ["a.yaml:2: `config.yaml` includes itself by way of `a.yaml`"],
        ),
    ],
)
def test_a_cycle_is_told_once_at_the_line_that_closes_it(load, files, said):
    loaded = load(files)
    assert [str(problem).partition(";")[0] for problem in loaded.problems] == said
    assert all(problem.hint for problem in loaded.problems)
    assert len(loaded.sources.maps) == len(files) - 1


def test_two_files_that_include_a_third_are_no_cycle(load):
    files = {
        "config.yaml": "include: [a.yaml, b.yaml]\n",
        "a.yaml": TEN + "include: c.yaml\n",
        "b.yaml": TEN + "include: c.yaml\n",
        "c.yaml": TEN,
    }
    loaded = load(files)
    assert (loaded.said, len(loaded.sources.maps)) == ([], 3)


def test_a_chain_of_includes_has_an_end(load):
    files = {"config.yaml": "include: 0.yaml\n"}
    files |= {f"{number}.yaml": f"{TEN}include: {number + 1}.yaml\n" for number in range(40)}
    loaded = load(files)
    assert loaded.said == ["15.yaml:2: `16.yaml` is included deeper than 16 files; name it further up"]


UNREADABLE = {
    "a directory": (lambda: os.mkdir("x.yaml"), "`x.yaml` is a directory; name a file, or a pattern"),
    "a FIFO": (lambda: os.mkfifo("x.yaml"), "`x.yaml` is no regular file"),
    "a dangling link": (lambda: os.symlink("nowhere", "x.yaml"), "`x.yaml` cannot be read: no such file or directory"),
    "a loop": (lambda: os.symlink("x.yaml", "x.yaml"), "`x.yaml` cannot be read: too many levels of symbolic links"),
    "a device": (lambda: os.symlink("/dev/null", "x.yaml"), "`x.yaml` is no regular file"),
}


@pytest.mark.parametrize("pattern", ["x.yaml", "x*.yaml"])
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_is_told_where_it_is_included(load, kind, pattern):
    make, said = UNREADABLE[kind]
    make()
    loaded = load({"config.yaml": f"include:\n- a.yaml\n- {pattern}\n", "a.yaml": TEN})
    assert len(loaded.said) == 1
    assert loaded.said[0].startswith("config.yaml:3: ") and said in loaded.said[0] and loaded.problems[0].hint
    assert loaded.sources.files["x.yaml"] == b""
    assert len(loaded.sources.maps) == 1


def test_a_literal_file_that_is_not_there(load):
    (said,) = load({"config.yaml": "include: [a.yaml]\n"}).said
    assert (
        said
        == "config.yaml:1: `a.yaml` cannot be read: no such file or directory; mend the path, or put the file there"
    )


def test_a_file_without_a_map_is_a_warning(load):
    loaded = load({"config.yaml": "include: a.yaml\n", "a.yaml": "# zone: 10.0.0.0/8\n"})
    assert loaded.said == ["a.yaml: the file holds no map; write `zone: 10.0.0.0/8` into it, or delete it"]
    assert loaded.problems[0].severity == "warning"


def test_mistakes_of_the_settings_are_told_by_the_settings_reader_alone(load):
    text = (
        "serve: 1\nserver: {port: x}\nzones:\n  - zone: 10.0.0.0/8\n    ptr: {10.0.0.3: *web}\n    ttl: x\n    ttl: y\n"
    )
    loaded = load({"config.yaml": text})
    assert len(set(loaded.said)) == len(loaded.said)
    assert [problem.place.line for problem in loaded.problems] == [1, 2, 5, 6, 7]


def test_a_settings_file_that_cannot_be_read_is_told_once(load):
    os.mkdir("config.yaml")
    settings, problems = read_settings("config.yaml")
    sources, more = load_sources("config.yaml", settings)
    assert len(problems) == 1 and more == ()
    assert sources.files == {"config.yaml": b""}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{zone: 10.0.0.0/8}", "`zones` is a mapping, not a list of maps; begin each map with `- zone: ...`"),
        ("x", "`zones` is text, not a list"),
    ],
)
def test_inline_maps_are_a_list(load, value, said):
    loaded = load({"config.yaml": f"zones: {value}\n"})
    assert len(loaded.said) == 1 and loaded.said[0].startswith("config.yaml:1: ") and said in loaded.said[0]


def test_an_include_of_an_inline_map(load):
    loaded = load(
        {"config.yaml": "zones:\n- zone: 10.0.0.0/8\n  include: [m/a.yaml]\n", "m/a.yaml": "zone: fd00::/8\n"}
    )
    assert (loaded.said, names(loaded)) == ([], ["10.0.0.0/8", "fd00::/8"])


def test_problems_of_all_files_come_in_one_run_sorted(load):
    files = {"config.yaml": "include: [b.yaml, a.yaml, none.yaml]\n", "a.yaml": "zone: x\n", "b.yaml": "zone: y\n\tz\n"}
    assert [str(problem.place) for problem in load(files).problems] == ["a.yaml:1", "b.yaml:2", "config.yaml:1"]


def test_the_collector_is_as_it_was():
    assert gc.isenabled()
    load_sources(None, Settings())
    assert gc.isenabled()
    gc.disable()
    try:
        load_sources(None, Settings())
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_folder_that_a_pattern_may_not_look_into_is_told(load, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != "m/b")
    loaded = load({"config.yaml": "include:\n- m/*/*.yaml\n", "m/a/x.yaml": TEN, "m/b/y.yaml": "zone: fd00::/8\n"})
    assert loaded.said == [
        "config.yaml:2: `m/*/*.yaml` cannot look into `m/b`: permission denied; "
        "let the user that blackhole-guard runs as list and enter it"
    ]


def test_a_working_directory_that_was_removed_is_told(load, tmp_path):
    load({"config.yaml": "include: a.yaml\n", "a.yaml": TEN})
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "config.yaml").unlink()
    tmp_path.rmdir()
    _, problems = load_sources(None, Settings(include=("a.yaml", "b*.yaml")))
    assert [problem.what for problem in problems] == [
        "`a.yaml` cannot be read: no such file or directory",
        "`b*.yaml` matches no file",
    ]
    assert load_sources("config.yaml", Settings())[0].files == {"config.yaml": b""}
