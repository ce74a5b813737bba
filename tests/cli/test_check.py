"""`check`: errors with their places, zones and records, exit codes, JSON."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from broken_inputs import BROKEN, CONTRADICTIONS
from broken_inputs import write as write_files

from blackhole_guard.loading import load

GOOD = """\
zone: 10.0.0.0/8
ptr:
  10.0.0.3: web.example.com
  10.0.0.4: [db.example.com, db-primary.example.com]
delegate:
  10.20.0.0/16: {ad1.corp.example.com: 10.20.0.10}
---
zone: 192.168.1.0/24
ptr: {1: gateway.example.com}
"""


def test_no_configuration_is_good(run):
    done = run("check")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "0 mapped zones and 102 built-in ones (registry of 2025-06-16), 2 records; 0 files read",
        "good",
    ]


def test_good_maps_are_shown_with_their_records(run, write):
    write(good=GOOD)
    done = run("check", "--zones", "*.yaml")
    assert (done.code, done.err) == (0, "")
    assert [" ".join(line.split()) for line in done.lines if line] == [
        "zone block records map",
        "10.in-addr.arpa. 10.0.0.0/8 3 good.yaml:1",
        "1.168.192.in-addr.arpa. 192.168.1.0/24 1 good.yaml:8",
        "2 mapped zones and 101 built-in ones (registry of 2025-06-16), 6 records, 1 delegated zone; 1 file read",
        "good",
    ]


def test_the_zones_of_one_map_are_one_row(run, write):
    write(map="zone: 172.16.0.0/12\nptr: {172.16.0.1: a.example.com, 172.31.0.1: b.example.com}\n")
    row = " ".join(run("check", "--zones", "map.yaml").lines[1].split())
    assert row == "16.172.in-addr.arpa. to 31.172.in-addr.arpa. (16) 172.16.0.0/12 2 map.yaml:1"


def test_what_a_map_puts_into_a_built_in_zone_is_shown(run, write):
    write(map="zone: 10.6.84.0/26\nptr: {3: a.example.com}\n")
    assert run("check", "--zones", "map.yaml").lines[1].split() == [
        "10.in-addr.arpa.",
        "10.0.0.0/8",
        "1",
        "built",
        "in",
    ]


def test_a_public_zone_is_called_so(run, write):
    write(map="zone: 8.8.8.0/24\nallow_public: true\n")
    assert "8.8.8.0/24 (public)" in run("check", "--zones", "map.yaml").out


def test_what_is_switched_off_is_said(run, write):
    write(map="zone: 10.0.0.0/8\nserve: false\n")
    done = run("check", "--zones", "map.yaml")
    assert "switched off: 10.0.0.0/8 (map.yaml:2)" in done.lines
    assert "0 mapped zones and 101 built-in ones" in done.out


def test_errors_are_told_on_standard_error_and_nothing_is_promised(run, write):
    write(map="zone: 10.0.0.0/8\nptr:\n  10.0.0.300: a.example.com\n  10.0.0.4: my_host.example.com\n")
    done = run("check", "--zones", "map.yaml")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "map.yaml:3: `10.0.0.300` has an octet above 255; octets go from 0 to 255",
        "map.yaml:4: warning: `my_host.example.com` has an underscore; it is served, but host names have none "
        "(RFC 1123): some programs refuse it",
        "1 error, 1 warning: nothing of this would be loaded",
    ]


def test_warnings_alone_are_good(run, write):
    write(map="zone: 10.0.0.0/8\nptr:\n  10.0.0.4: my_host.example.com\n")
    done = run("check", "--zones", "map.yaml")
    assert (done.code, done.lines[-1]) == (0, "good, 1 warning")
    assert done.err.startswith("map.yaml:3: warning: ")


def test_the_settings_file_is_read_where_serve_reads_it(run, write, tmp_path):
    write(other="include: [map.yaml]\n", map=GOOD)
    assert "2 mapped zones" in run("check", "--config", "other.yaml").out
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "config.yaml").write_text("zones:\n- zone: fd12:3456::/48\n")
    assert "1 mapped zone and" in run("check").out
    assert "2 mapped zones" in run("check", "--config", "other.yaml").out


def test_zones_replace_what_the_settings_include(run, write):
    write(config="include: [none.yaml]\n", a="zone: 10.1.0.0/16\n", b="zone: 10.2.0.0/16\n")
    assert run("check", "--config", "config.yaml").code == 1
    done = run("check", "--config", "config.yaml", "--zones", "a.yaml", "--zones", "b.yaml")
    assert (done.code, "2 mapped zones" in done.out) == (0, True)


@pytest.mark.parametrize("words", [("--zones", "a.yaml", "b.yaml"), ("a.yaml",)])
@pytest.mark.parametrize("command", [("check",), ("serve",), ("explain", "10.0.0.3")])
def test_a_pattern_that_the_shell_expanded_is_explained(run, command, words):
    done = run(*command, *words)
    assert done.code == 2
    assert "--zones" in done.err and "has no place here" in done.err


@pytest.mark.parametrize("words", [("--nothing",), ("--config",)])
def test_wrong_use_is_exit_code_2(run, words):
    assert run("check", *words).code == 2


def test_json_of_good_maps(run, write):
    write(good=GOOD)
    done = run("check", "--json", "--zones", "*.yaml")
    found = json.loads(done.out)
    assert (done.code, done.err, found["ok"], found["problems"]) == (0, "", True, [])
    assert (found["files"], found["records"], found["delegations"], found["config"]) == (["good.yaml"], 6, 1, None)
    assert len(found["zones"]) == 103
    assert found["zones"][1] == {
        "zone": "10.in-addr.arpa.",
        "block": "10.0.0.0/8",
        "ledger": "10.0.0.0/8",
        "mapped": True,
        "place": "good.yaml:1",
        "records": 3,
    }


def test_json_of_errors(run, write):
    write(map="zone: 10.0.0.0/8\nptr:\n  10.0.0.300: a.example.com\n")
    done = run("check", "--json", "--zones", "map.yaml")
    found = json.loads(done.out)
    assert (done.code, found["ok"]) == (1, False)
    assert found["problems"] == [
        {
            "severity": "error",
            "file": "map.yaml",
            "line": 3,
            "what": "`10.0.0.300` has an octet above 255",
            "hint": "octets go from 0 to 255",
        }
    ]


def test_what_strangers_wrote_reaches_no_terminal_as_it_is(run, tmp_path):
    (tmp_path / "a\x1b[31m.yaml").write_text('zone: 10.0.0.0/8\nptr:\n  "10.0.0.3\\e[31m": a.example.com\n')
    done = run("check", "--zones", "*.yaml")
    assert done.code == 1
    assert (done.out + done.err).replace("\n", "").isprintable()


def check(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-m", "blackhole_guard", "check", *words]
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment
    )


@pytest.mark.parametrize("broken", [pytest.param(each, id=each.kind) for each in (*BROKEN, *CONTRADICTIONS)])
def test_broken_input_ends_in_exit_code_1_with_each_place_and_remedy(broken, tmp_path):
    write_files(broken.files, tmp_path)
    done = check(tmp_path, "--config", "config.yaml")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines()[:-1] if ": warning: " not in line]
    assert len(errors) == len(broken.told), errors
    for line, (place, hint) in zip(errors, broken.told, strict=True):
        assert line.startswith(f"{place}: ") and hint in line.partition("; ")[2]


def test_a_pipe_gets_no_colours_and_no_folded_lines(tmp_path):
    (tmp_path / "a.yaml").write_text(f"zone: 10.0.0.0/8\nptr:\n  10.0.0.3: {'a' * 60}..{'b' * 60}.example.com\n")
    done = check(tmp_path, "--zones", "a.yaml", FORCE_COLOR="", COLUMNS="40")
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_contradiction_names_both_places(tmp_path):
    write_files(CONTRADICTIONS[0].files, tmp_path)
    line = check(tmp_path, "--config", "config.yaml").stderr.splitlines()[0]
    assert line.startswith("zones/b.yaml:3: 10.0.0.3 is b.b here and a.b at zones/a.yaml:3; ")


@pytest.fixture
def served(tmp_path, monkeypatch, write):
    """A state directory with a snapshot of three PTRs."""
    monkeypatch.chdir(tmp_path)
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: a.b.c, 10.0.0.4: b.b.c, 10.0.0.5: c.b.c}\n")
    state = tmp_path / "state"
    state.mkdir()
    assert load(None, {"include": ["map.yaml"]}, str(state), force=False, now=time.time).result == "loaded"
    return str(state)


def test_nothing_differs_from_what_is_served(run, served):
    done = run("check", "--zones", "map.yaml", "--diff", "--state-dir", served)
    assert (done.code, "  nothing would change" in done.lines) == (0, True)


def test_what_differs_from_what_is_served(run, served, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: a.b.d, 10.0.0.6: d.b.c}\n---\nzone: 10.1.0.0/16\nptr: {0.1: x.y}\n")
    done = run("check", "--zones", "map.yaml", "--diff", "--state-dir", served)
    start = next(number for number, line in enumerate(done.lines) if line.startswith("compared with what is served"))
    assert done.code == 0
    assert done.lines[start + 1 : start + 8] == [
        "  10.1.0.0/16: a new zone, 1 record",
        "  10.0.0.0/8: 1 new, 2 gone, 1 changed",
        "    - 3.0.0.10.in-addr.arpa. 3600 PTR a.b.c.",
        "    + 3.0.0.10.in-addr.arpa. 3600 PTR a.b.d.",
        "    - 4.0.0.10.in-addr.arpa. 3600 PTR b.b.c.",
        "    - 5.0.0.10.in-addr.arpa. 3600 PTR c.b.c.",
        "    + 6.0.0.10.in-addr.arpa. 3600 PTR d.b.c.",
    ]


def test_a_diff_of_many_records_is_cut(run, served, write):
    write(map="zone: 10.0.0.0/8\nptr:\n" + "".join(f"  10.0.1.{number}: h.b.c\n" for number in range(50)))
    done = run("check", "--zones", "map.yaml", "--diff", "--state-dir", served)
    examples = [line for line in done.lines if line.startswith("    ")]
    assert (len(examples), examples[-1]) == (11, "    ...")


def test_a_load_that_would_be_refused_is_told(run, served, write):
    write(map="zone: 10.0.0.0/8\n")
    done = run("check", "--zones", "map.yaml", "--diff", "--state-dir", served)
    assert done.code == 1
    assert done.lines[-1] == (
        "3 of 5 records would go, more than server.max_drop allows (50 %): `reload` needs --force"
    )
    assert "  10.0.0.0/8: 3 gone" in done.lines
    done = run("check", "--zones", "map.yaml", "--diff", "--state-dir", served, "--json")
    assert (done.code, json.loads(done.out)["ok"]) == (1, False)
    write(config="server: {max_drop: 60}\ninclude: [map.yaml]\n")
    assert run("check", "--config", "config.yaml", "--diff", "--state-dir", served).code == 0


def test_json_of_a_diff(run, served, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: a.b.d}\n")
    diff = json.loads(run("check", "--zones", "map.yaml", "--diff", "--state-dir", served, "--json").out)["diff"]
    assert (diff["served"], diff["lost"], [zone["zone"] for zone in diff["zones"]]) == (5, 2, ["10.0.0.0/8"])


def test_the_state_directory_of_the_settings_is_found(run, served, write):
    write(config="server: {state_dir: state}\ninclude: [map.yaml]\n")
    assert "  nothing would change" in run("check", "--config", "config.yaml", "--diff").lines


def test_no_diff_with_errors(run, served, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: -a}\n")
    done = run("check", "--zones", "map.yaml", "--diff", "--state-dir", served)
    assert (done.code, done.out) == (1, "")


def test_nothing_to_compare_with(run, tmp_path):
    done = run("check", "--diff", "--state-dir", str(tmp_path / "none"))
    assert done.code == 1 and done.err.startswith("Error: nothing to compare with: there is no snapshot ")
    assert done.lines[-1] == "good"
    done = run("check", "--diff", "--state-dir", str(tmp_path / "none"), "--json")
    found = json.loads(done.out)
    assert (done.code, found["ok"], found["diff"]) == (1, True, None)
    assert found["diff_error"].startswith("nothing to compare with")


@pytest.mark.parametrize(("found", "said"), [([], "no server of this user runs"), (["a", "b"], "several servers run")])
def test_which_server_is_not_known(run, monkeypatch, found, said):
    monkeypatch.setattr("blackhole_guard.cli.check.find_running", lambda: found)
    done = run("check", "--diff")
    assert done.code == 1 and said in done.err and "--state-dir" in done.err


def test_a_state_directory_without_diff_is_wrong_use(run):
    assert run("check", "--state-dir", "x").code == 2
