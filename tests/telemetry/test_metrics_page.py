"""What docs/metrics.md tells operators to give to Prometheus, given to promtool."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from peer_programs import program

import blackhole_guard
from blackhole_guard.telemetry.catalogue import CATALOGUE, PREFIX, Kind

PAGE = (Path(blackhole_guard.__file__).parent.parent / "docs" / "metrics.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
SCRAPE, *RULES = [text for language, text in BLOCKS if language == "yaml"]
QUERIES = [text for language, text in BLOCKS if language == ""]
ALERTS = {rule["alert"]: rule for text in RULES for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}

LEAK = 'blackhole_guard_leaks_averted_total{block="100.64.0.0/10",sink="iana",shape="host",outcome="nxdomain"}'
QUIET = {  # series while all is well: those that any alert reads
    'up{job="blackhole_guard"}': "1+0x120",
    "blackhole_guard_workers": "2+0x120",
    "blackhole_guard_workers_configured": "2+0x120",
    "blackhole_guard_snapshot_generation": "3+0x120",
    "blackhole_guard_start_time_seconds": "1700000000+0x120",
    "blackhole_guard_sources_broken": "0+0x120",
    "blackhole_guard_worker_restarts_total": "1+0x120",
    "blackhole_guard_receive_buffer_drops_total": "7+0x120",
    'blackhole_guard_response_seconds_bucket{le="0.001"}': "0+60x120",
    'blackhole_guard_response_seconds_bucket{le="0.1"}': "0+60x120",
    'blackhole_guard_response_seconds_bucket{le="+Inf"}': "0+60x120",
    'blackhole_guard_refused_total{reason="client"}': "0+1x120",
    'blackhole_guard_queries_total{transport="udp",family="ipv4",qtype="PTR",rcode="NXDOMAIN"}': "0+60x120",
    'blackhole_guard_config_info{job="j",digest="a",replica="1"}': "1+0x120",
    'blackhole_guard_config_info{job="j",digest="a",replica="2"}': "1+0x120",
    'blackhole_guard_resolver_leaks{resolver="192.0.2.53:53",block="10.0.0.0/8"}': "0+0x120",
    'blackhole_guard_resolver_unknown{resolver="192.0.2.53:53"}': "0+0x120",
    'blackhole_guard_resolver_answers{resolver="192.0.2.53:53"}': "1+0x120",
    "blackhole_guard_worker_errors_total": "0+0x120",
    "blackhole_guard_answer_errors_total": "2+0x120",
    "blackhole_guard_log_lines_lost_total": "4+0x120",
    LEAK: "3+0x120",
}
TROUBLE = {  # what happens, a value a minute -> the alert for it
    "BlackholeGuardNotAnswering": {"blackhole_guard_snapshot_generation": "0+0x120"},
    "BlackholeGuardDown": {'up{job="blackhole_guard"}': "0+0x120"},
    "BlackholeGuardRestarting": {"blackhole_guard_start_time_seconds": "1700000000+120x120"},
    "BlackholeGuardSourcesBroken": {"blackhole_guard_sources_broken": "1+0x120"},
    "BlackholeGuardWorkersMissing": {"blackhole_guard_workers": "1+0x120"},
    "BlackholeGuardWorkersDying": {"blackhole_guard_worker_restarts_total": "0+1x120"},
    "BlackholeGuardOverloaded": {"blackhole_guard_receive_buffer_drops_total": "0+120x120"},
    "BlackholeGuardSlow": {'blackhole_guard_response_seconds_bucket{le="0.001"}': "0+1x120"},
    "BlackholeGuardClientsRefused": {'blackhole_guard_refused_total{reason="client"}': "0+120x120"},
    "BlackholeGuardUnasked": {
        'blackhole_guard_queries_total{transport="udp",family="ipv4",qtype="PTR",rcode="NXDOMAIN"}': "9+0x120"
    },
    "BlackholeGuardReplicasDiffer": {
        'blackhole_guard_config_info{job="j",digest="a",replica="2"}': "_x120",
        'blackhole_guard_config_info{job="j",digest="b",replica="2"}': "1+0x120",
    },
    "BlackholeGuardResolverLeaks": {
        'blackhole_guard_resolver_leaks{resolver="192.0.2.53:53",block="10.0.0.0/8"}': "1+0x120"
    },
    "BlackholeGuardResolverUnknown": {'blackhole_guard_resolver_unknown{resolver="192.0.2.53:53"}': "1+0x120"},
    "BlackholeGuardResolverSilent": {'blackhole_guard_resolver_answers{resolver="192.0.2.53:53"}': "0+0x120"},
    "BlackholeGuardErrors": {"blackhole_guard_answer_errors_total": "0x90 1x30"},
    "BlackholeGuardLogLost": {"blackhole_guard_log_lines_lost_total": "0x90 1x30"},
    "UnknownAddressSpaceInUse": {LEAK: "0+1x120"},
}


def promtool(*arguments):
    run = subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def rules(tmp_path):
    for number, text in enumerate(RULES):
        (tmp_path / f"rules{number}.yml").write_text(text)
    return sorted(tmp_path.glob("rules*.yml"))


@pytest.mark.peers("promtool")
def test_promtool_takes_the_scrape_configuration(tmp_path):
    (tmp_path / "prometheus.yml").write_text(SCRAPE)
    code, said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert code == 0, said


@pytest.mark.peers("promtool")
def test_promtool_takes_the_rules(rules):
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", *rules)
    assert code == 0, said


def run_alerts(tmp_path, rules, series):
    """Names of the alerts that fire after 110 minutes of these series."""
    checks = [{"eval_time": "110m", "alertname": name, "exp_alerts": []} for name in ALERTS]
    inputs = [{"series": one, "values": values} for one, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": checks}
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rule) for rule in rules], "tests": [test]}))
    code, said = promtool("test", "rules", path)
    fired = re.findall(r"alertname: (\w+), time: .*?exp:\[\s*\].*?got:\[", said, re.S)
    assert bool(code) == bool(fired), said
    return fired


@pytest.mark.peers("promtool")
def test_no_alert_fires_while_all_is_well(tmp_path, rules):
    assert run_alerts(tmp_path, rules, QUIET) == []


@pytest.mark.peers("promtool")
@pytest.mark.parametrize("name", TROUBLE)
def test_an_alert_fires_for_what_it_is_there_for_and_no_other_does(tmp_path, rules, name):
    assert run_alerts(tmp_path, rules, QUIET | TROUBLE[name]) == [name]


def test_each_alert_has_been_seen_to_fire():
    assert set(TROUBLE) == set(ALERTS)


@pytest.mark.peers("promtool")
@pytest.mark.parametrize("query", [query for text in QUERIES for query in text.split("\n\n")])
def test_the_queries_are_promql(tmp_path, query):
    rule = {"groups": [{"name": "query", "rules": [{"record": "a:query", "expr": query}]}]}
    (tmp_path / "query.yml").write_text(yaml.safe_dump(rule))
    code, said = promtool("check", "rules", tmp_path / "query.yml")
    assert code == 0, said


def test_the_page_names_no_metric_that_there_is_not():
    names = {PREFIX + metric.name for metric in CATALOGUE}
    histograms = {PREFIX + metric.name for metric in CATALOGUE if metric.kind is Kind.HISTOGRAM}
    names |= {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    groups = {group["name"] for text in RULES for group in yaml.safe_load(text)["groups"]}
    assert set(re.findall(r"\bblackhole_guard\w*", PAGE)) <= names | groups | {"blackhole_guard"}
