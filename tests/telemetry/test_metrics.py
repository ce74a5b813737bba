import gzip
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observers import Rig, Zone, check_metrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.telemetry.catalogue import CATALOGUE, MAX_ZONES, PREFIX, Kind
from blackhole_guard.telemetry.metrics import OPENMETRICS, TEXT, Exposition, accepts_gzip, choose_form

PARSERS = {TEXT: parse_text, OPENMETRICS: parse_openmetrics}


@pytest.fixture
def rig():
    rig = Rig()
    rig.start_workers()
    return rig


def samples(rig, form=TEXT):
    """Name without prefix and labels -> value."""
    text = Exposition(rig.facts).render(form, False, 0.0).decode()
    found = {}
    for family in PARSERS[form](text):
        for sample in family.samples:
            key = (sample.name.removeprefix(PREFIX), *sorted(sample.labels.items()))
            assert key not in found, "a series stands there twice"
            found[key] = sample.value
    return found


def fill(rig):
    """Count everything that can be counted."""
    for cell in rig.layout:
        rig.pages.page(0)[cell.number] = 1 + cell.number
        rig.pages.page(1)[cell.number] = 1000
    rig.zones = [Zone(f"10.{number // 256}.{number % 256}.0/24", number, 1) for number in range(1000)]
    rig.zones += [Zone(f"{number}.0.0.0/8", 1, 0, mapped=False) for number in range(100)]


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
@pytest.mark.parametrize("prepare", [lambda rig: None, fill, lambda rig: setattr(rig.control, "generation", 0)])
def test_the_exposition_is_valid_and_has_the_catalogue_in_it(rig, form, prepare):
    prepare(rig)
    text = Exposition(rig.facts).render(form, False, 0.0).decode()
    families = {family.name: family for family in PARSERS[form](text)}
    for metric in CATALOGUE:
        kind = metric.kind
        name = PREFIX + (metric.name.removesuffix("_total") if kind is Kind.COUNTER else metric.name)
        if kind is Kind.INFO:
            name, kind = (name, Kind.GAUGE) if form == TEXT else (name.removesuffix("_info"), kind)
        assert families[name].type == kind
        assert families[name].documentation == metric.help
        assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in families[name].samples)
    assert len(families) == len(CATALOGUE)


@pytest.mark.peers("promtool")
@pytest.mark.parametrize("prepare", [lambda rig: None, fill, lambda rig: setattr(rig.control, "generation", 0)])
def test_promtool_finds_nothing(rig, prepare):
    prepare(rig)
    assert check_metrics(Exposition(rig.facts).render(TEXT, False, 0.0).decode()) == ""


@pytest.mark.peers("promtool")
def test_promtool_would_find_something():
    assert "no help text" in check_metrics("# TYPE a_total counter\na_total 1\n")


def test_there_are_less_than_2000_series_when_all_is_counted(rig):
    fill(rig)
    assert 1500 < len(samples(rig)) < 2000


def test_a_count_is_the_sum_over_all_processes(rig):
    leak = ("leaks_averted", "10.0.0.0/8", "as112", "host", "nxdomain")
    rig.meters[0].add_counts({leak: 3})
    rig.meters[1].add_counts({leak: 4})
    rig.meters[0].set("tcp_connections", 2)
    rig.meters[1].set("tcp_connections", 5)
    rig.meters[1].set("receive_buffer_drops", 6)
    rig.meters[2].add("log_lines_lost")
    found = samples(rig)
    labels = (("block", "10.0.0.0/8"), ("outcome", "nxdomain"), ("shape", "host"), ("sink", "as112"))
    assert found["leaks_averted_total", *labels] == 7
    assert found["tcp_connections",] == 7
    assert found["receive_buffer_drops_total",] == 6
    assert found["log_lines_lost_total",] == 1


def test_small_sets_are_shown_at_zero_and_large_ones_when_they_count(rig):
    def queries(qtype, rcode):
        return ("queries_total", ("family", "ipv4"), ("qtype", qtype), ("rcode", rcode), ("transport", "udp"))

    found = samples(rig)
    assert found["datagrams_dropped_total", ("reason", "stale")] == 0
    assert found["refused_total", ("reason", "outside")] == 0
    assert found["tcp_connections",] == 0
    assert found[queries("PTR", "NXDOMAIN")] == 0
    assert queries("AAAA", "REFUSED") not in found
    rig.meters[0].add_counts({("queries", "udp", "ipv4", "AAAA", "REFUSED"): 1})
    assert samples(rig)[queries("AAAA", "REFUSED")] == 1
    assert len(found) < 300


def test_each_block_has_series_from_the_start(rig):
    blocks = {dict(key[1:])["block"] for key in samples(rig) if key[0] == "leaks_averted_total"}
    assert blocks == set(BLOCKS)


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
def test_times_are_a_histogram(rig, form):
    for seconds in (0.00004, 0.00004, 0.003, 5.0):
        rig.meters[0].observe(seconds)
    rig.meters[1].observe(0.003)
    found = samples(rig, form)
    assert found["response_seconds_bucket", ("le", "2.5e-05")] == 0
    assert found["response_seconds_bucket", ("le", "5e-05")] == 2
    assert found["response_seconds_bucket", ("le", "0.005")] == 4
    assert found["response_seconds_bucket", ("le", "1.0")] == 4
    assert found["response_seconds_bucket", ("le", "+Inf")] == 5 == found["response_seconds_count",]
    assert found["response_seconds_sum",] == pytest.approx(5.00608)


def test_what_the_supervisor_says_is_shown(rig):
    rig.control.note_reload("failed", time.time())
    rig.control.note_restart(1)
    rig.control.set_alive(1, False)
    found = samples(rig)
    assert found["reloads_total", ("result", "loaded")] == found["reloads_total", ("result", "failed")] == 1
    assert found["sources_broken",] == found["worker_restarts_total",] == found["workers",] == 1
    assert found["workers_configured",] == 2
    assert found["snapshot_generation",] == 1
    assert found["start_time_seconds",] == pytest.approx(time.time(), abs=5)
    assert found["last_reload_success_timestamp_seconds",] == pytest.approx(time.time(), abs=5)
    assert found["build_info", ("python", "3.11.7"), ("version", "0.1.0")] == 1
    assert found["config_info", ("digest", "3c6ef372")] == 1
    assert found["registry_info", ("updated", "2025-06-16")] == 1


def test_mapped_zones_have_series_and_built_in_ones_a_number(rig):
    rig.zones = [Zone("10.0.0.0/8", 2009012501, 3), Zone("172.16.0.0/16", 1, 0, mapped=False), Zone("home.arpa", 7, 1)]
    found = samples(rig)
    assert found["zone_records", ("zone", "10.0.0.0/8")] == 3
    assert found["zone_serial", ("zone", "10.0.0.0/8")] == 2009012501
    assert found["zone_serial", ("zone", "home.arpa")] == 7
    assert ("zone_serial", ("zone", "172.16.0.0/16")) not in found
    assert found["zones", ("kind", "mapped")] == 2
    assert found["zones", ("kind", "built-in")] == 1


def test_zones_beyond_the_limit_are_summed(rig):
    rig.zones = [Zone(f"zone {number}", 1, 2) for number in range(MAX_ZONES + 20)]
    found = samples(rig)
    assert found["zone_records", ("zone", "(others)")] == 40
    assert sum(key[0] == "zone_records" for key in found) == MAX_ZONES + 1
    assert sum(key[0] == "zone_serial" for key in found) == MAX_ZONES
    assert found["zones", ("kind", "mapped")] == MAX_ZONES + 20


def test_before_there_are_zones_the_rest_is_shown(rig):
    rig.control.generation = 0
    found = samples(rig)
    assert found["snapshot_generation",] == 0
    assert found["zones", ("kind", "mapped")] == 0
    assert not any(key[0] in ("zone_records", "config_info") for key in found)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "\u202e", "{}"])
def test_the_name_of_a_zone_cannot_break_the_exposition(rig, name):
    rig.zones = [Zone(name, 1, 2)]
    for form in (TEXT, OPENMETRICS):
        assert samples(rig, form)["zone_records", ("zone", name)] == 2


def test_a_rendering_is_kept_for_a_quarter_of_a_second(rig):
    exposition = Exposition(rig.facts)
    first = exposition.render(TEXT, False, 100.0)
    rig.meters[0].add("accept_errors")
    assert exposition.render(TEXT, False, 100.2) is first
    assert b"accept_errors_total 1.0" in exposition.render(TEXT, False, 100.26)


def test_a_compressed_rendering_is_the_same(rig):
    exposition = Exposition(rig.facts)
    zipped = exposition.render(OPENMETRICS, True, 1.0)
    assert gzip.decompress(zipped) == exposition.render(OPENMETRICS, False, 1.1)
    assert len(zipped) < 4000


def test_a_rendering_of_everything_takes_a_moment(rig):
    fill(rig)
    exposition = Exposition(rig.facts)
    times = []
    for number in range(5):
        begin = time.perf_counter()
        exposition.render(TEXT, True, float(number))
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.5  # 0.01 on a quiet machine


PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
PROMETHEUS_2 += "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
PROMETHEUS_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
PROMETHEUS_3 += "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", TEXT),  # a browser
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; version=1.0.0", OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text;q=0.1,text/plain", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=x", TEXT),
        ("application/openmetrics-text;version=abc\x9b", OPENMETRICS),
        (",;,;;=,", TEXT),
    ],
)
def test_the_form_is_what_the_client_prefers(accept, form):
    assert choose_form(accept) == form


@pytest.mark.parametrize(
    ("accept_encoding", "zipped"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_used_when_the_client_names_it(accept_encoding, zipped):
    assert accepts_gzip(accept_encoding) is zipped


@given(st.text())
def test_any_header_leads_to_a_form(text):
    assert choose_form(text) in (TEXT, OPENMETRICS)
    assert accepts_gzip(text) in (True, False)


def test_what_the_observer_itself_found_is_shown(rig):
    rig.facts = replace(rig.facts, observed=lambda: {"resolver_leaks": [(("192.0.2.53:53", "172.16.0.0/12"), 16)]})
    shown = samples(rig)
    assert shown["resolver_leaks", ("block", "172.16.0.0/12"), ("resolver", "192.0.2.53:53")] == 16
