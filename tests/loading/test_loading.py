import os
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from blackhole_guard import loading
from blackhole_guard.config.load import read_settings
from blackhole_guard.config.settings import ServerSettings
from blackhole_guard.loading import LoadReport, compare, fingerprint, load
from blackhole_guard.sources.load import load_sources
from blackhole_guard.store import update
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.wire.names import pack_name
from blackhole_guard.zones.build import build_zones

NOW = 1_700_000_000.0
TEN = "zone: 10.0.0.0/8\nptr:\n  10.0.0.3: web.example.com\n  10.0.0.4: db.example.com\n"
BROKEN = "zone: 10.0.0.0/8\nptr:\n  10.0.0.300: web.example.com\n"


class Site:
    """A directory with maps and settings, and a state directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.state.mkdir()
        self.now = NOW
        self.write("config.yaml", "include: [maps/*.yaml]\n")
        (root / "maps").mkdir()
        self.write("maps/ten.yaml", TEN)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def load(self, force: bool = False, overrides=None) -> LoadReport:
        self.now += 10
        return load(str(self.root / "config.yaml"), overrides, str(self.state), force=force, now=lambda: self.now)

    def serials(self) -> dict[str, int]:
        return {each.label: each.serial for each in self.snapshot(lambda found: found.facts)}

    def names(self, name: str) -> list[bytes]:
        return [r for each in self.snapshot(lambda found: found.find_rrsets(pack_name(name))) for r in each.rdatas]

    def snapshot(self, look):
        found = open_snapshot(str(self.state / "snapshot.mdb"))
        try:
            return look(found)
        finally:
            found.close()

    def zones(self):
        path = str(self.root / "config.yaml")
        settings, _ = read_settings(path)
        return build_zones(load_sources(path, settings)[0], settings)[0]


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Site(tmp_path)


def test_a_first_load_serves_the_zones(site):
    report = site.load()
    assert (report.result, report.serving, report.problems) == ("loaded", True, ())
    assert (report.zones, report.records, report.generation) == (102, 4, int(site.now))
    assert report.text == "102 zones, 4 records, 4 changes"
    assert report.files == (str(site.root / "config.yaml"), str(site.root / "maps/ten.yaml"))
    assert report.patterns == (str(site.root / "maps/*.yaml"),)
    assert report.seconds > 0
    assert site.names("3.0.0.10.in-addr.arpa") == [pack_name("web.example.com")]
    assert site.serials()["10.0.0.0/8"] == int(site.now)
    assert site.serials()["192.168.0.0/16"] == 1


def test_a_report_goes_through_json(site):
    site.write("maps/ten.yaml", BROKEN)
    report = site.load()
    assert report.problems
    assert msgspec.json.decode(msgspec.json.encode(report), type=LoadReport) == report


def test_no_configuration_at_all_is_every_reserved_zone(site):
    report = load(None, None, str(site.state), force=False, now=lambda: NOW)
    assert (report.result, report.zones, report.records, report.files) == ("loaded", 102, 2, ())
    assert set(site.serials().values()) == {1}
    assert load(None, None, str(site.state), force=False, now=lambda: NOW).result == "unchanged"


def test_settings_of_the_server_travel_in_the_snapshot(site):
    site.write("config.yaml", "include: [maps/*.yaml]\nserver: {identity: me, allow_query: [any]}\n")
    site.load()
    server = msgspec.json.decode(site.snapshot(lambda found: found.attachment), type=ServerSettings)
    assert (server.identity, server.allow_query) == ("me", ("any",))


def test_unchanged_sources_are_not_loaded(site, monkeypatch):
    first = site.load()
    written = os.stat(site.state / "snapshot.mdb")
    monkeypatch.setattr(loading, "load_sources", None)  # it is not even read
    report = site.load()
    assert (report.result, report.text) == ("unchanged", "the sources are what they were")
    assert (report.generation, report.serving, report.zones, report.records) == (first.generation, True, 102, 4)
    assert (report.files, report.patterns) == (first.files, first.patterns)
    assert os.stat(site.state / "snapshot.mdb") == written


@pytest.mark.parametrize(
    "change",
    [
        lambda site: site.write("maps/ten.yaml", TEN + "# a remark\n"),
        lambda site: site.write("maps/more.yaml", "zone: 10.1.0.0/16\n"),
        lambda site: site.write("config.yaml", "include: [maps/*.yaml]\nserver: {identity: me}\n"),
        lambda site: site.write("config.yaml", "include: [maps/*.yaml]\ndefaults: {ttl: 5}\n"),
        lambda site: os.rename(site.root / "maps/ten.yaml", site.root / "maps/zen.yaml"),
        lambda site: os.utime(site.root / "maps/ten.yaml"),
    ],
    ids=["content", "another file", "a setting", "a default", "a name", "only the time"],
)
def test_what_counts_as_a_change(site, change, request):
    first = site.load()
    change(site)
    report = site.load()
    if "time" in request.node.callspec.id:
        assert (report.result, report.generation) == ("unchanged", first.generation)
    else:
        assert (report.result, report.generation) == ("loaded", first.generation + 1)


def test_another_version_of_the_program_loads_anew(site, monkeypatch):
    site.load()
    monkeypatch.setattr(loading, "__version__", "999")
    report = site.load()
    assert (report.result, report.changes) == ("loaded", 0)


def test_only_a_difference_moves_a_serial(site):
    site.load()
    before = site.serials()
    site.write("maps/ten.yaml", TEN + "# a remark\n")
    report = site.load()
    assert (report.result, report.changes, site.serials()) == ("loaded", 0, before)
    site.write("maps/ten.yaml", TEN + "  10.0.0.5: new.example.com\n")
    report = site.load()
    assert (report.changes, report.records) == (1, 5)
    assert site.serials() == before | {"10.0.0.0/8": int(site.now)}


def test_force_loads_what_is_unchanged(site):
    site.load()
    report = site.load(force=True)
    assert (report.result, report.changes) == ("loaded", 0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("maps/ten.yaml", BROKEN, "maps/ten.yaml:3: `10.0.0.300` has an octet above 255"),
        ("config.yaml", "include: [maps/*.yaml]\nserver: {prot: 5}\n", "config.yaml:2: unknown key `prot`"),
        ("maps/two.yaml", "zone: 10.1.0.0/16\ninclude: [no.yaml]\n", "maps/two.yaml:2: `"),
        ("maps/two.yaml", "zone: 10.0.0.0/8\nptr: {10.0.0.3: other.example.com}\n", "maps/two.yaml:2: 10.0.0.3 is "),
    ],
    ids=["a map", "a setting", "a pattern", "two maps"],
)
def test_broken_sources_leave_everything_as_it_was(site, name, text, said):
    first = site.load()
    written = os.stat(site.state / "snapshot.mdb")
    before = (site.root / name).read_text() if (site.root / name).exists() else None
    site.write(name, text)
    report = site.load()
    assert (report.result, report.serving, report.generation) == ("failed", True, first.generation)
    assert report.text == "1 error in the sources; the old zones are served"
    assert [str(each).removeprefix(f"{site.root}/")[: len(said)] for each in report.problems] == [said]
    assert os.stat(site.state / "snapshot.mdb") == written
    assert site.load(force=True).result == "failed"
    if before is None:
        (site.root / name).unlink()
    else:
        site.write(name, before)
    assert site.load().result == "unchanged"


def test_broken_sources_and_no_store_serve_nothing(site):
    site.write("maps/ten.yaml", BROKEN)
    report = site.load()
    assert (report.result, report.serving, report.generation) == ("failed", False, 0)
    assert report.text == "1 error in the sources; there are no zones to serve"
    assert report.files[-1] == str(site.root / "maps/ten.yaml")  # to be watched
    site.write("maps/ten.yaml", TEN)
    assert site.load().result == "loaded"


def test_errors_of_all_stages_come_in_one_run(site):
    site.write("config.yaml", "include: [maps/*.yaml]\nserver: {prot: 5}\n")
    site.write("maps/a.yaml", BROKEN)
    site.write("maps/b.yaml", "zone: 10.0.0.0/8\nttl: 5\n")
    site.write("maps/c.yaml", "zone: 10.0.0.0/8\nttl: 6\n")
    places = [str(each.place).removeprefix(f"{site.root}/") for each in site.load().problems]
    assert places == ["config.yaml:2", "maps/a.yaml:3", "maps/c.yaml:2"]


def test_warnings_load(site):
    site.write("maps/ten.yaml", TEN + "  10.0.0.5: under_score.example.com\n")
    report = site.load()
    assert report.result == "loaded"
    assert [each.severity for each in report.problems] == ["warning"]


# --- a load that loses too much


def many(count: int) -> str:
    return "zone: 10.0.0.0/8\nptr:\n" + "".join(f"  10.0.1.{n}: h{n}.example.com\n" for n in range(count))


@pytest.mark.parametrize(
    ("limit", "after", "result"),
    [
        (50, 49, "loaded"),  # 49 + 2 of 100 stay
        (50, 48, "loaded"),  # exactly half goes
        (50, 47, "refused"),
        (0, 97, "refused"),
        (0, 98, "unchanged"),
        (100, 0, "loaded"),
        (99, 0, "loaded"),
    ],
)
def test_a_load_that_loses_too_much_is_refused(site, limit, after, result):
    site.write("config.yaml", f"include: [maps/*.yaml]\nserver: {{max_drop: {limit}}}\n")
    site.write("maps/ten.yaml", many(98))
    first = site.load()
    site.write("maps/ten.yaml", many(after) if after else "zone: 10.0.0.0/8\n")
    report = site.load()
    assert report.result == result
    if result == "refused":
        assert (report.generation, report.serving, report.records) == (first.generation, True, 100)
        assert report.text == (
            f"{98 - after} of 100 records would go, more than server.max_drop allows ({limit} %); "
            "the old zones are served; load with --force if this is meant"
        )
        assert site.load().result == "refused"
        assert site.load(force=True).result == "loaded"
        assert site.snapshot(lambda found: sum(each.records for each in found.facts)) == after + 2


def test_new_names_for_all_addresses_are_no_loss(site):
    site.write("maps/ten.yaml", many(98))
    site.load()
    site.write("maps/ten.yaml", many(98).replace("example.com", "example.net"))
    report = site.load()
    assert (report.result, report.changes) == ("loaded", 98)


def test_addresses_that_move_into_a_new_zone_are_no_loss(site):
    site.write("maps/ten.yaml", many(98))
    site.load()
    site.write("maps/sub.yaml", "zone: 10.0.1.0/24\n")
    report = site.load()
    assert (report.result, report.changes) == ("loaded", 1)
    assert site.serials()["10.0.1.0/24"] == site.serials()["10.0.0.0/8"] == int(site.now)


# --- the store is damaged


@pytest.mark.parametrize("file", ["snapshot.mdb", "journal.mdb"])
@pytest.mark.parametrize("damage", ["gone", "short", "flipped"])
def test_a_damaged_store_is_rebuilt_with_a_warning(site, file, damage):
    site.load()
    before = site.serials()["10.0.0.0/8"]
    path = site.state / file
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        os.truncate(path, 8192)
    else:
        octets = bytearray(path.read_bytes())
        for position in range(0, len(octets), 64):
            octets[position] ^= 0xFF
        path.write_bytes(octets)
    report = site.load()
    assert (report.result, report.serving) == ("loaded", True)
    if (file, damage) != ("journal.mdb", "gone"):
        (problem,) = report.problems
        assert (problem.severity, problem.place.file) == ("warning", str(site.state))
        assert path.name in problem.what
    assert site.serials()["10.0.0.0/8"] in (before, int(site.now))
    assert site.serials()["192.168.0.0/16"] == 1
    assert site.load().result == "unchanged"


def test_a_damaged_snapshot_is_not_served_when_the_sources_are_broken_too(site):
    site.load()
    os.truncate(site.state / "snapshot.mdb", 9000)
    site.write("maps/ten.yaml", BROKEN)
    report = site.load()
    assert (report.result, report.serving) == ("failed", False)


def test_a_state_directory_that_is_not_there_is_told(site):
    shutil.rmtree(site.state)
    report = site.load()
    assert (report.result, report.serving) == ("failed", False)
    assert "cannot be opened: No such file or directory" in report.text


def test_a_store_that_cannot_be_opened_for_writing_still_serves(site, monkeypatch):
    first = site.load()

    def fail(path):
        raise StoreError(f"the journal {path} cannot be opened: Cannot allocate memory")

    monkeypatch.setattr(update, "open_journal", fail)
    report = site.load()
    assert (report.result, report.serving, report.generation) == ("failed", True, first.generation)
    assert (report.zones, report.records) == (first.zones, first.records)
    assert report.text.endswith("cannot be opened: Cannot allocate memory; the old zones are served")
    assert [problem.hint for problem in report.problems] == ["see that it is ours to write, and has space"]


def test_a_snapshot_that_cannot_be_written_is_told_and_the_old_one_stays(site):
    first = site.load()
    (site.state / "snapshot.mdb.new").mkdir()
    site.write("maps/ten.yaml", TEN + "  10.0.0.5: new.example.com\n")
    report = site.load()
    assert (report.result, report.serving, report.generation) == ("failed", True, first.generation)
    assert "cannot be written" in report.text
    assert "the old zones are served" in report.text
    (site.state / "snapshot.mdb.new").rmdir()
    assert site.load().result == "loaded"


def test_files_of_the_store_are_for_the_group_at_most(site):
    before = os.umask(0)
    try:
        site.load()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(each.stat().st_mode) for each in site.state.iterdir()} == {0o640}


# --- serials that maps give


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (5, 5, "10.0.0.0/8 changed, but the serial that its map gives did not: secondaries will not notice"),
        (5, 4, "the serial that the map of 10.0.0.0/8 gives is not newer than the one before (RFC 1982)"),
        (5, 6, None),
    ],
)
def test_a_serial_that_secondaries_do_not_follow_is_a_warning(site, first, second, said):
    site.write("maps/ten.yaml", TEN.replace("ptr:", f"soa: {{serial: {first}}}\nptr:"))
    site.load()
    site.write("maps/ten.yaml", TEN.replace("ptr:", f"soa: {{serial: {second}}}\nptr:").replace("web", "www"))
    report = site.load()
    assert report.result == "loaded"
    assert [each.what for each in report.problems] == ([said] if said else [])
    assert all(str(each.place) == f"{site.root}/maps/ten.yaml:1" for each in report.problems)
    assert site.serials()["10.0.0.0/8"] == second


# --- what would change


def test_a_comparison_says_what_a_load_would_change(site):
    site.load()
    generation = site.snapshot(lambda found: found.generation)
    site.write(
        "maps/ten.yaml", "zone: 10.0.0.0/8\nttl: 5\nptr:\n  10.0.0.3: www.example.com\n  10.0.0.7: n.example.com\n"
    )
    site.write("maps/sub.yaml", "zone: 10.1.0.0/16\nptr: {10.1.0.1: sub.example.com}\n")
    site.write("maps/off.yaml", "zone: home.arpa\nserve: false\n")
    found = compare(site.zones(), str(site.state), examples=3)
    assert (found.generation, found.served, found.lost) == (generation, 4, 1)
    zones = {each.zone: each for each in found.zones}
    assert {name: each.kind for name, each in zones.items()} == {
        "10.1.0.0/16": "new",
        "home.arpa": "gone",
        "10.0.0.0/8": "changed",
    }
    ten = zones["10.0.0.0/8"]
    assert (ten.added, ten.removed, ten.changed, ten.apex) == (1, 1, 1, True)
    assert ten.examples == (
        "- 3.0.0.10.in-addr.arpa. 3600 PTR web.example.com.",
        "+ 3.0.0.10.in-addr.arpa. 5 PTR www.example.com.",
        "- 4.0.0.10.in-addr.arpa. 3600 PTR db.example.com.",
    )
    assert zones["10.1.0.0/16"].added == 1


def test_a_comparison_with_what_is_served_already_is_empty(site):
    site.load()
    assert compare(site.zones(), str(site.state)).zones == ()


def test_there_is_nothing_to_compare_with_before_a_load(site):
    with pytest.raises(StoreError, match="there is no snapshot"):
        compare(site.zones(), str(site.state))
    site.load()
    os.truncate(site.state / "snapshot.mdb", 9000)
    with pytest.raises(StoreError, match="is not whole"):
        compare(site.zones(), str(site.state))


# --- what files look like


def test_equal_fingerprints_mean_that_nothing_has_changed(site):
    report = site.load()

    def look():
        return fingerprint(report.files, report.patterns)

    seen = [look()]
    assert look() == seen[0]
    assert hash(look()) == hash(seen[0])
    site.write("maps/ten.yaml", TEN.replace("web", "wxb"))
    seen.append(look())
    site.write("maps/zz.yaml", TEN)
    seen.append(look())
    (site.root / "maps/ten.yaml").unlink()
    seen.append(look())
    assert len(set(seen)) == 4


def test_a_swap_of_what_a_link_leads_to_shows(site):
    """Kubernetes puts a new version of a ConfigMap in place by turning one symbolic link of a directory."""
    for version in ("one", "two"):
        (site.root / version).mkdir()
        (site.root / version / "ten.yaml").write_text(TEN)
    (site.root / "current").symlink_to("one")
    files = (str(site.root / "current/ten.yaml"),)
    before = fingerprint(files, ())
    (site.root / "next").symlink_to("two")
    os.rename(site.root / "next", site.root / "current")
    assert fingerprint(files, ()) != before
