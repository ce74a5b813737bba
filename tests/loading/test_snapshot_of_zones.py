"""What a load writes answers as the zones do that it was made of: every name, and names around them."""

from pathlib import Path

import pytest
import reverse_data
from walk_rows import walk_rows

from blackhole_guard.config.settings import Settings
from blackhole_guard.loading import load
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.sources.load import load_sources
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.wire.names import suffixes
from blackhole_guard.zones.build import build_zones
from blackhole_guard.zones.view import ZoneView

EXAMPLES = Path(__file__).parents[2] / "zones"


def write_examples(folder):
    for each in EXAMPLES.glob("*.yaml"):
        (folder / each.name).write_text(each.read_text())


def write_maps(folder):
    (folder / "maps.yaml").write_text(reverse_data.render_maps(reverse_data.make_zones(7)))


@pytest.mark.untraced
@pytest.mark.parametrize("write", [write_examples, write_maps])
def test_a_snapshot_answers_as_its_zones_do(tmp_path, write):
    maps, state = tmp_path / "maps", tmp_path / "state"
    maps.mkdir()
    state.mkdir()
    write(maps)
    pattern = f"{maps}/*.yaml"
    report = load(None, {"include": [pattern]}, str(state), force=False, now=lambda: 1.0)
    assert report.result == "loaded", report.problems
    zones, _ = build_zones(load_sources(None, Settings(include=(pattern,)))[0], Settings())
    view, snapshot = ZoneView(zones), open_snapshot(str(state / "snapshot.mdb"))
    addresses = [reverse_name(address) for address, _ in walk_rows(zones.iter_runs(100))]
    names = {*zones.zones, *zones.cuts, *addresses, *(host.owner for host in zones.hosts)}
    names |= {each for name in names for each in suffixes(name)}
    names |= {b"\x011" + name for name in names} | {b"\x03xyz" + name[1 + name[0] :] for name in names if name[0]}
    for name in names:
        assert describe(snapshot, name) == describe(view, name)
    snapshot.close()
    assert report.records == zones.records
    assert len(names) > 500


def describe(reader, name):
    """All that an answer is made of, but for serials."""
    found = reader.find_enclosing(name)
    zone, cut = found or (None, None)
    parent = reader.find_parent(name) if zone is not None and zone.apex == name else None
    rrsets = {
        (each.owner, int(each.rtype), each.ttl, each.rdatas if each.rtype != 6 else ())
        for each in reader.find_rrsets(name)
    }
    return (
        zone and (zone.apex, zone.block, zone.negative_soa.ttl, zone.soa.ttl),
        cut and (cut.owner, cut.ns, cut.glue),
        parent and parent.apex,
        rrsets if cut is None else None,  # below a delegation nobody asks for them
        reader.has_descendants(name) if zone is not None and cut is None else None,
    )
