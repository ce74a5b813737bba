"""`doctor` as a command: whom it asks, what it prints, how it ends. tests/peers/test_doctor.py has real resolvers."""

import json
import re
from pathlib import Path

import dns.message
import namespaces
import pytest
from known_facts import validate
from peer_processes import free_port
from peer_programs import program
from replies import PUBLIC_SOA, respond
from stand_in_resolvers import UNBOUND_SOA, resolver, with_soa

import blackhole_guard
from blackhole_guard.api.resources import ROOT
from blackhole_guard.cli import doctor
from blackhole_guard.cli.reading import read_all
from blackhole_guard.cli.settings_options import make_overrides
from blackhole_guard.doctoring.resolvers import Resolver
from blackhole_guard.integrations.programs import PROGRAMS
from blackhole_guard.leaks.signatures import Kind
from blackhole_guard.reserved.registry import BLOCKS, ZONES
from blackhole_guard.wire.names import format_name

DOCS = Path(blackhole_guard.__file__).parent.parent / "docs" / "doctor.md"


def test_a_good_resolver_is_a_table_of_blocks_and_0(run):
    with resolver(with_soa(UNBOUND_SOA)) as target:
        done = run("doctor", str(target))
    assert done.code == 0
    assert done.lines[0].startswith(f"{target}  unbound (`unbound 1.17.1\\027[2J`), id.server")
    assert [line.split()[:2] for line in done.lines[2 : 2 + len(BLOCKS)]] == [[block, "local"] for block in BLOCKS]
    assert "to cure" not in done.out


def test_one_zone_that_leaks_is_1_and_a_line_about_the_cure(run):
    with resolver(with_soa(UNBOUND_SOA, "20.172.in-addr.arpa.")) as target:
        done = run("doctor", str(target))
    assert done.code == 1
    (row,) = (line for line in done.lines if line.startswith("172.16.0.0/12"))
    assert re.fullmatch(
        r"172\.16\.0\.0/12 +leaks to as112 +1 of 16 +[0-9.]+  SOA 20\.172\.in-addr\.arpa\. prisoner\.iana\.org\. *", row
    )
    assert "1 block to cure:" in done.lines
    assert '    local-zone: "20.172.in-addr.arpa." nodefault' in done.lines
    assert done.out.rstrip().endswith(run("integrate", "unbound").out.rstrip())  # all lines: it is one file


def test_a_resolver_that_keeps_hosts_alone_is_told_by_the_types_that_leave(run):
    kept = with_soa(UNBOUND_SOA)

    def bogus_priv(query: bytes, over_tcp: bool) -> bytes | None:
        question = dns.message.from_wire(query).question[0]
        if question.rdtype == 6 and str(question.name).endswith(".10.in-addr.arpa."):
            return respond(query, soa=("10.in-addr.arpa.", PUBLIC_SOA))
        return kept(query, over_tcp)

    with resolver(bogus_priv) as target:
        done = run("doctor", str(target))
    assert done.code == 1
    assert re.match(r"10\.0\.0\.0/8 +leaks to as112, PTR not +1 ", done.lines[2])
    assert (
        "10.0.0.0/8: look-ups of hosts (PTR) are kept, those of other types, such as SOA and TXT, leave or are made up"
        in done.lines
    )


def test_all_zones_are_a_row_each(run):
    with resolver(with_soa(UNBOUND_SOA)) as target:
        done = run("doctor", str(target), "--all-zones")
    assert [line.split()[0] for line in done.lines[2 : 2 + len(ZONES)]] == [format_name(zone.apex) for zone in ZONES]


def test_a_dead_resolver_is_3_and_a_leak_beside_it_1(run):
    dead = f"127.0.0.1:{free_port()}"
    done = run("doctor", dead)
    assert (done.code, done.lines[0]) == (3, f"{dead}  cannot be reached: Connection refused")
    with resolver(with_soa(PUBLIC_SOA)) as target:
        assert run("doctor", dead, str(target)).code == 1
    with resolver(with_soa(UNBOUND_SOA)) as target:
        assert run("doctor", dead, str(target)).code == 3


def test_the_json_has_the_keys_that_the_page_names(run, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n")
    with resolver(with_soa(UNBOUND_SOA, "10.in-addr.arpa.")) as target:
        done = run("doctor", str(target), "--json", "--zones", "map.yaml")
    document = json.loads(done.out)
    validate(document, f"{ROOT}/doctor")
    (found,) = document["resolvers"]
    table = re.findall(r"^\| `([a-z_]+(?:\[\]\.[a-z_]+)?)` \|", DOCS.read_text().partition("## JSON")[2], re.MULTILINE)
    assert table == [*document, *(f"resolvers[].{key}" for key in found)]
    assert (document["format"], document["exit_code"], document["leaks"]) == (1, 1, True)
    assert found["zones"][0] == {
        "zone": "10.in-addr.arpa.",
        "block": "10.0.0.0/8",
        "verdict": "leaks",
        "sink": "as112",
        "expected_sink": "as112",
        "types": ["PTR", "SOA"],
        "what": "SOA 10.in-addr.arpa. prisoner.iana.org.",
        "seconds": found["zones"][0]["seconds"],
    }
    assert found["blocks"][1] == {
        "block": "172.16.0.0/12",
        "verdict": "local",
        "zones": {"local": 16},
        "sinks": [],
        "types": [],
    }
    assert found["version"] == "unbound 1.17.1\\027[2J"
    for part in ("blocks", "zones", "mapped"):
        (row,) = re.findall(rf"^\| `resolvers\[\]\.{part}` \| a list: (.*) \|$", DOCS.read_text(), re.MULTILINE)
        assert re.findall(r"`([a-z_]+)`", row) == list(found[part][0])


def test_mapped_names_that_do_not_come_out_are_said(run, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n")
    with resolver(with_soa(UNBOUND_SOA)) as target:
        done = run("doctor", str(target), "--zones", "map.yaml")
        as_json = run("doctor", str(target), "--zones", "map.yaml", "--json")
    document = json.loads(as_json.out)
    assert "mapped names: 0 of 1 come out right" in done.lines
    assert "  3.0.0.10.in-addr.arpa. RCODE 3, 0 names instead of 1" in done.lines
    (mapped,) = document["resolvers"][0]["mapped"]
    assert mapped == {
        "name": "3.0.0.10.in-addr.arpa.",
        "right": False,
        "found": [],
        "what": "RCODE 3, 0 names instead of 1",
    }
    # Nothing leaks, but a zone of the resolver's own hides the names: that is to cure.
    assert (done.code, as_json.code, document["exit_code"], document["leaks"]) == (1, 1, 1, False)
    assert "1 block to cure:" in done.lines and '    local-zone: "10.in-addr.arpa." nodefault' in done.lines
    assert document["resolvers"][0]["cure"] in done.out


def test_mapped_names_that_get_no_answer_are_not_known_to_be_hidden(run, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n")

    def answer(query: bytes, over_tcp: bool) -> bytes | None:
        is_mapped = str(dns.message.from_wire(query).question[0].name) == "3.0.0.10.in-addr.arpa."
        return None if is_mapped else with_soa(UNBOUND_SOA)(query, over_tcp)

    with resolver(answer) as target:
        done = run("doctor", str(target), "--zones", "map.yaml")
    assert done.code == 3
    assert "  3.0.0.10.in-addr.arpa. no answer" in done.lines
    assert "to cure" not in done.out


def test_answers_of_our_zones_are_told_as_ours(run, write):
    write(map="zone: 10.0.0.0/8\nns: [ns1.example.com]\n")
    ours = "ns1.example.com. nobody.invalid. 7 3600 1200 604800 10800"
    with resolver(with_soa(UNBOUND_SOA, "10.in-addr.arpa.", ours)) as target:
        done = run("doctor", str(target), "--zones", "map.yaml")
    assert done.code == 0
    assert done.lines[2].split()[:2] == ["10.0.0.0/8", "ours"]


def test_maps_with_errors_are_said_and_do_not_stop_it(run, write):
    write(map="zone: 10.0.0.0/8\nptr: {10.0.0.300: web.example.com}\n")
    with resolver(with_soa(UNBOUND_SOA)) as target:
        done = run("doctor", str(target), "--zones", "map.yaml")
    assert done.code == 0
    assert done.err.startswith("1 error in settings and maps, see `blackhole-guard check`")


def test_without_words_it_asks_what_the_machine_uses(run, monkeypatch):
    monkeypatch.setattr(doctor, "find_resolvers", lambda: (Resolver("127.0.0.1", free_port()),))
    assert run("doctor").code == 3
    monkeypatch.setattr(doctor, "find_resolvers", tuple)
    done = run("doctor")
    assert done.code == 2
    assert "names no resolver" in done.err


def test_what_is_no_resolver_is_2_and_all_are_named(run):
    done = run("doctor", "127.0.0.300", "192.0.2.1:0")
    assert done.code == 2
    assert "octet above 255" in done.err and "has the port 0" in done.err


def test_a_pattern_that_the_shell_expanded_is_2_with_a_hint(run):
    done = run("doctor", "--zones", "a.yaml", "b.yaml")
    assert done.code == 2
    assert "put patterns in quotes" in done.err


@pytest.mark.parametrize("kind", Kind)
def test_there_is_a_cure_for_each_program(run, kind):
    reading = read_all(None, make_overrides(include=()))
    lines = doctor.make_cure(reading)(kind, ("10.0.0.0/8",), "127.0.0.1:53")
    assert any("blackhole-guard" in line for line in lines)
    if kind in PROGRAMS:
        assert "\n".join(lines) + "\n" == run("integrate", kind.value).out


def test_where_the_cure_cannot_be_written_it_says_why(run, write):
    write(map="zone: 10.0.0.0/8\nserve: false\n", broken="zone: 10.0.0.0/33\n")
    with resolver(with_soa(UNBOUND_SOA, "10.in-addr.arpa.")) as target:
        done = run("doctor", str(target), "--zones", "map.yaml")
        assert "but: nothing of these blocks is served here: 10.0.0.0/8; serve it first, by a map" in done.out
        assert "once settings and maps have no errors" in run("doctor", str(target), "--zones", "broken.yaml").out


SOME = """\
server: {listen: [127.0.0.1:5300]}
reserved: {serve: false, extras: false}
zones:
  - zone: 10.0.0.0/8
  - zone: 172.20.0.0/16
"""


def cure_of(run, write, config: str, *blocks: str, resolver: str = "127.0.0.1:53", kind: Kind = Kind.UNBOUND) -> str:
    write(config=config)
    reading = read_all("config.yaml", make_overrides(include=()))
    return "\n".join(doctor.make_cure(reading)(kind, blocks, resolver))


def test_blocks_that_are_not_served_here_are_named_beside_the_cure_of_those_that_are(run, write):
    text = cure_of(run, write, SOME, "10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "home.arpa")
    assert "# Note: 100.64.0.0/10, home.arpa: not served here, so these lines do not cure it;\n" in text
    assert "# Note: 172.16.0.0/12: served here in part, and these lines do not cure the rest;\n" in text
    assert text.count("serve it first, by a map of its own or by `reserved: {serve: true}`") == 2
    assert '    name: "10.in-addr.arpa."' in text


def test_what_leaks_is_cured_even_where_debians_bind_has_zones_of_its_own(run, write):
    config = "server: {listen: [127.0.0.1:5300]}\n"
    text = cure_of(run, write, config, "127.0.0.0/8", kind=Kind.BIND)
    assert '\nzone "127.in-addr.arpa" {' in text and '\nzone "0.in-addr.arpa" {' not in text
    assert "named.conf.default-zones has 127.in-addr.arpa, too: named does not start" in text


@pytest.mark.root
@pytest.mark.peers(*namespaces.PROGRAMS)
@pytest.mark.parametrize(
    ("listen", "lines"),
    [
        (["127.0.0.1:5300", "10.0.0.5:5300"], {"    stub-addr: 10.0.0.5@5300"}),
        (["0.0.0.0:5300"], {"    stub-addr: 10.0.0.5@5300"}),
        (["127.0.0.1:5300"], set()),
    ],
)
def test_a_resolver_on_another_machine_is_not_told_our_loopback(run, write, listen, lines):
    config = f"server: {{listen: {json.dumps(listen)}}}\n"
    with namespaces.namespace() as host:
        ip = program("ip")
        host.run(ip, "link", "add", "out0", "type", "veth", "peer", "name", "out1")
        host.run(ip, "address", "add", "10.0.0.5/24", "dev", "out0")
        for link in ("out0", "out1"):
            host.run(ip, "link", "set", link, "up")
        text = host.inside(lambda: cure_of(run, write, config, "10.0.0.0/8", resolver="10.0.0.53:53"))
    assert {line for line in text.splitlines() if "stub-addr" in line} == lines
    assert "the resolver is on another machine" in text and "--server ADDRESS" in text
