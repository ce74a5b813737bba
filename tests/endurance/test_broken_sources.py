"""A running server and each kind of broken input: old answers stay, the mistake is told, the mended map is taken."""

import shutil
from collections import Counter

import msgspec
import pytest
from broken_inputs import BROKEN, CONTRADICTIONS, Broken, write
from installations import Installation, installed, wait_for

from blackhole_guard.server.control import ReloadRequest, ask_reload

KEPT = {"state", "log"}
RESULTS: Counter[str] = Counter()  # of the loads of `server`, that of its start included
NAMES = iter(f"web{number}.example.com." for number in range(10_000))


@pytest.fixture(scope="module")
def server():
    with installed({}, workers=1) as built:
        lay(built, {"zones/web.yaml": mended(next(NAMES))})
        built.start()
        RESULTS.clear()
        RESULTS["loaded"] = 1
        yield built


def lay(server: Installation, files: dict[str, object]) -> None:
    """Replace the files of the directory by those of the table."""
    for path in server.directory.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write(files, server.directory)


def mended(name: str) -> str:
    return f"zone: 10.0.0.0/8\nptr:\n  10.0.0.3: {name}\n"


def reload(server: Installation) -> dict:
    """As `blackhole-guard reload` does, without the time that its process takes to start."""
    return msgspec.json.decode(ask_reload(str(server.control), ReloadRequest("reload")))


def name_of(server: Installation, address: str = "3.0.0.10") -> str:
    return str(server.ask(f"{address}.in-addr.arpa.", "PTR").answer[0][0])


def reloads(server: Installation) -> dict[str, float]:
    prefix = 'blackhole_guard_reloads_total{result="'
    samples = server.metrics()
    return {name.removeprefix(prefix).removesuffix('"}'): n for name, n in samples.items() if name.startswith(prefix)}


@pytest.mark.parametrize("broken", [pytest.param(each, id=each.kind) for each in (*BROKEN, *CONTRADICTIONS)])
def test_broken_input_changes_nothing_until_it_is_mended(server, broken: Broken):
    before = name_of(server)
    lay(server, broken.files)
    report = reload(server)
    RESULTS["failed"] += 1
    assert report["result"] == "failed" and report["serving"], report
    told = " ".join(str(problem) for problem in report["problems"])
    for place, hint in broken.told:
        file, _, line = place.partition(":")
        assert file in told and line in told and hint in told, told
    assert name_of(server) == before
    assert name_of(server, "9.9.9.10") == "fine.example.com."

    after = next(NAMES)
    lay(server, {"zones/web.yaml": mended(after)})
    report = reload(server)
    RESULTS["loaded"] += 1
    assert report["result"] == "loaded", report
    assert name_of(server) == after


def test_each_load_is_counted_by_its_result(server):
    """The page is rendered once a second at most, so the loads of all tests before are looked at together."""
    lay(server, {"zones/web.yaml": "zone: 10.0.0.0/8\nptr: [\n"})
    for _ in range(3):
        assert reload(server)["result"] == "failed"
        RESULTS["failed"] += 1
    wait_for(lambda: reloads(server) == {"loaded": 0, "unchanged": 0, "failed": 0, "refused": 0} | RESULTS, 5, RESULTS)
    assert server.metrics()["blackhole_guard_sources_broken"] == 1


def test_the_command_says_what_is_wrong_and_ends_with_one(server):
    before = name_of(server)
    lay(server, {"zones/web.yaml": "zone: 10.0.0.0/8\nptr:\n  10.0.0.3: 10.0.0.4\n"})
    done = server.reload()
    assert done.returncode == 1
    assert "zones/web.yaml:3: " in done.stderr and "failed" in done.stdout
    assert name_of(server) == before
    lay(server, {"zones/web.yaml": mended(before)})
    done = server.reload()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("unchanged") or done.stdout.startswith("loaded")


def test_broken_sources_at_the_start_serve_what_the_store_holds():
    with installed({}, workers=1) as built:
        lay(built, {"zones/web.yaml": mended("web.example.com.")})
        built.start()
        serial = built.ask("10.in-addr.arpa.", "SOA").answer[0][0].serial
        assert built.stop() == 0
        lay(built, {"zones/web.yaml": "zone: 10.0.0.0/8\nptr: [\n"})
        built.start()
        assert name_of(built) == "web.example.com."
        assert built.ask("10.in-addr.arpa.", "SOA").answer[0][0].serial == serial
        wait_for(lambda: built.metrics()["blackhole_guard_sources_broken"] == 1, 5, "a page that says so")
        assert built.run("check", "--config", "config.yaml").returncode == 1
        lay(built, {"zones/web.yaml": mended("web.example.com.")})
        assert reload(built)["result"] in ("loaded", "unchanged")
        wait_for(lambda: built.metrics()["blackhole_guard_sources_broken"] == 0, 5, "a page that says so")


def test_a_load_that_would_drop_most_records_needs_force(server):
    many = "".join(f"  10.0.1.{number}: host{number}.example.com\n" for number in range(100))
    lay(server, {"zones/web.yaml": mended("web.example.com.") + many})
    assert reload(server)["result"] == "loaded"
    lay(server, {"zones/web.yaml": mended("other.example.com.")})
    refused = server.reload()
    assert refused.returncode == 1 and refused.stdout.startswith("refused"), refused
    assert name_of(server) == "web.example.com." and name_of(server, "7.1.0.10") == "host7.example.com."
    forced = server.reload("--force")
    assert forced.returncode == 0, forced
    assert name_of(server) == "other.example.com."
