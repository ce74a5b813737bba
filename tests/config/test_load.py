"""The settings file and what replaces parts of it."""

from pathlib import Path

import pytest

from blackhole_guard.config.load import load_settings, read_settings, read_settings_document, resolve_pattern
from blackhole_guard.config.problems import SettingsError
from blackhole_guard.config.settings import Settings


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(text, overrides=None, name="config.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
        settings, problems = read_settings(name, overrides)
        return settings, [str(problem) for problem in problems]

    return run


def test_no_file_is_a_valid_configuration():
    assert load_settings(None) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "server:\n", "zones:\n"])
def test_a_file_that_says_nothing_is_a_valid_configuration(read, text):
    assert read(text) == (Settings(), [])


def test_what_the_file_says(read):
    settings, said = read(
        "server: {listen: [127.0.0.1, '::1'], workers: 2}\ndefaults: {ttl: 4h, ns: ns1.example.com}\n"
    )
    assert said == []
    assert (settings.server.listen, settings.server.workers) == (("127.0.0.1", "::1"), 2)
    assert (settings.defaults.ttl, settings.defaults.ns) == (14400, ("ns1.example.com.",))


def test_patterns_are_relative_to_the_file(read):
    assert read("include: [zones/*.yaml, /a/b, ../c]\n", name="conf/config.yaml")[0].include == (
        "conf/zones/*.yaml",
        "/a/b",
        "c",
    )


def test_overrides_lie_over_the_file_and_are_relative_to_the_working_directory(read):
    settings, said = read(
        "server: {port: 53, workers: 2}\ninclude: a.yaml\n",
        {"server.port": "5300", "include": ["b/*.yaml"], "server.tcp.idle": "1m"},
        "conf/config.yaml",
    )
    assert said == []
    assert (settings.server.port, settings.server.workers, settings.server.tcp.idle) == (5300, 2, 60)
    assert settings.include == ("b/*.yaml",)


def test_overrides_without_a_file():
    assert load_settings(None, {"server.listen": ["127.0.0.1:5300"]}).server.listen == ("127.0.0.1:5300",)


def test_a_mistake_in_an_override_is_told_without_a_line():
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {"server.port": "x", "srever.port": "1"})
    assert [str(problem) for problem in caught.value.problems] == [
        "command line: `server.port`: `x` is no whole number; write digits only",
        "command line: unknown key `srever`; did you mean `server`?",
    ]


def test_where_the_file_is_wrong_the_defaults_hold_and_the_rest_counts(read):
    settings, said = read("server: {port: x, workers: 2}\n", {"server.watch": "true"})
    assert (settings.server.port, settings.server.workers, settings.server.watch) == (53, 2, True)
    assert len(said) == 1


def test_every_mistake_is_raised_at_once(read):
    read("server: {port: x}\nlog: {level: loud}\nfoo: 1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings("config.yaml")
    assert [problem.place.line for problem in caught.value.problems] == [1, 2, 3]


def test_a_warning_does_not_keep_settings_from_loading(read):
    settings, said = read("defaults: {ns: [my_ns.example.com]}\n")
    assert len(said) == 1 and "underscore" in said[0]
    assert load_settings("config.yaml") == settings


def test_a_file_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, problems = read_settings("config.yaml")
    assert settings == Settings()
    assert [str(problem) for problem in problems] == [
        "config.yaml: the settings file cannot be read: no such file or directory; mend the path, or put the file there"
    ]


def test_settings_are_one_document(read):
    settings, said = read("server: {port: 54}\n---\nserver: {port: 55}\n")
    assert settings.server.port == 54
    assert said == ["config.yaml:3: a second document; settings are one: delete the line `---`"]


def test_inline_maps_are_left_to_others_but_must_be_yaml(read):
    assert read("zones:\n- zone: nonsense\n  ptr: {3: -x, 3: -y}\n  nonsense: 1\n")[1] == []
    assert len(read("zones:\n- ptr: {3: *x}\n- ptr: 1\n  ptr: 2\n")[1]) == 2


def test_a_million_inline_entries_do_not_become_nodes(read):
    entries = "".join(f"    10.0.{number >> 8}.{number & 255}: a.example.com\n" for number in range(2000))
    read("zones:\n- zone: 10.0.0.0/8\n  ptr:\n" + entries)
    node, problems = read_settings_document("config.yaml")
    assert problems.all() == ()
    ptr = node.get("zones").items[0].get("ptr")
    assert (ptr.line, ptr.result) == (4, None)


@pytest.mark.parametrize(
    ("pattern", "file", "resolved"),
    [
        ("zones/*.yaml", "/etc/bg/config.yaml", "/etc/bg/zones/*.yaml"),
        ("/a/*", "/etc/bg/config.yaml", "/a/*"),
        ("*.yaml", "config.yaml", "*.yaml"),
        ("../a.yaml", "x/y/config.yaml", "x/a.yaml"),
    ],
)
def test_a_pattern_for_the_working_directory(pattern, file, resolved):
    assert resolve_pattern(pattern, file) == resolved


def test_the_state_directory_is_relative_to_the_settings_file(tmp_path):
    (tmp_path / "config.yaml").write_text("server: {state_dir: state}\n")
    (tmp_path / "absolute.yaml").write_text("server: {state_dir: /var/lib/state}\n")
    assert load_settings(str(tmp_path / "config.yaml")).server.state_dir == str(tmp_path / "state")
    assert load_settings(str(tmp_path / "absolute.yaml")).server.state_dir == "/var/lib/state"
    assert load_settings(str(tmp_path / "config.yaml"), {"server.state_dir": "here"}).server.state_dir == "here"


def test_so_is_the_dnstap_socket(tmp_path):
    (tmp_path / "config.yaml").write_text("leaks: {dnstap: {socket: d.sock}}\n")
    assert load_settings(str(tmp_path / "config.yaml")).leaks.dnstap.socket == str(tmp_path / "d.sock")


def test_and_the_watchs(tmp_path):
    (tmp_path / "config.yaml").write_text("leaks: {watch: {socket: w.sock}}\n")
    assert load_settings(str(tmp_path / "config.yaml")).leaks.watch.socket == str(tmp_path / "w.sock")


def test_a_map_in_place_of_the_settings_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text("ttl: 5\nzone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n")
    settings, problems = read_settings("map.yaml")
    assert settings == Settings()
    assert [str(problem) for problem in problems] == [
        "map.yaml:2: this is a map, not a settings file; read it by --zones, or name it in `include` of a settings file"
    ]
