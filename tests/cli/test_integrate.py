"""`integrate`: lines for a resolver, JSON, exit codes. The lines themselves are tested with `integrations`."""

import json

import pytest

from blackhole_guard.integrations.programs import PROGRAMS

CONFIG = """\
server: {listen: [127.0.0.1:5300]}
reserved: {serve: false, extras: false}
include: [map.yaml]
"""
MAP = """\
zone: 10.0.0.0/8
ptr:
  10.0.0.3: web.example.com
delegate:
  10.20.0.0/16: {ad1.corp.example.com: 10.20.0.10}
"""


def test_text(run, write):
    write(config=CONFIG, map=MAP)
    done = run("integrate", "bind", "--config", "config.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "// BIND asks blackhole_guard at 127.0.0.1:5300 for 1 name and all below.",
        "// Run `blackhole-guard integrate bind` again when blocks, delegations or addresses change, in place of this.",
        "",
        "// /etc/bind/named.conf.options",
        "// Put validate-except into the options block that is there.",
        "// A BIND that validates would else ask the public DNS, which says that some of these names do not exist.",
        "options {",
        "    validate-except {",
        '        "10.in-addr.arpa";',
        "    };",
        "};",
        "",
        "// /etc/bind/named.conf.local",
        "// `forward only`, never `first`: with that BIND answers from its own empty zones.",
        "// Delegated blocks have zones of their own: BIND takes our referral, and our REFUSED, for an error.",
        "// Where there are views all zones must be in views: put these into each, in place of this file.",
        'zone "10.in-addr.arpa" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };',
        'zone "20.10.in-addr.arpa" { type static-stub; server-addresses { 10.20.0.10; }; forwarders { }; };',
    ]


def test_json(run, write):
    write(config=CONFIG, map=MAP)
    done = run("integrate", "dnsmasq", "--config", "config.yaml", "--json")
    found = json.loads(done.out)
    (piece,) = found.pop("pieces")
    assert done.code == 0
    assert found == {
        "program": "dnsmasq",
        "servers": ["127.0.0.1:5300"],
        "names": [
            {"name": "10.in-addr.arpa.", "block": "10.0.0.0/8", "delegated": False, "servers": ["127.0.0.1:5300"]},
            {"name": "20.10.in-addr.arpa.", "block": "10.20.0.0/16", "delegated": True, "servers": ["10.20.0.10:53"]},
        ],
        "notes": [],
    }
    assert (piece["file"], piece["text"]) == (
        "/etc/dnsmasq.d/blackhole-guard.conf",
        "rev-server=10.0.0.0/8,127.0.0.1#5300\nrev-server=10.20.0.0/16,10.20.0.10\n",
    )
    assert all(piece["how"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_any_configuration_it_is_the_whole_registry_and_a_note_on_port_53(run, program):
    done = run("integrate", program)
    assert (done.code, done.err) == (0, "")
    names = 99 if program == "bind" else 102  # Debian's BIND has zones of its own for three
    assert f"blackhole_guard at 127.0.0.1:53 for {names} names" in done.lines[0]
    assert "Note: 127.0.0.1 port 53 is where most resolvers listen, too, and there is one of the two only;" in done.out
    assert done.out.replace("\n", "").isprintable()


def test_another_address_may_be_said(run, write):
    write(config=CONFIG, map=MAP)
    done = run("integrate", "dnsmasq", "--config", "config.yaml", "--server", "10.0.0.53", "--server", "[::1]:5300")
    assert done.lines[0] == "# dnsmasq asks blackhole_guard at 10.0.0.53:53, [::1]:5300 for 1 name and all below."
    assert "rev-server=10.0.0.0/8,10.0.0.53" in done.lines


def test_maps_may_be_named(run, write):
    write(map=MAP)
    done = run("integrate", "unbound", "--zones", "map.yaml", "--server", "127.0.0.1:5300")
    assert '    name: "20.10.in-addr.arpa."' in done.lines


@pytest.mark.parametrize(
    "given", ["0.0.0.0", "127.0.0.1:0", "[fe80::1%1]:53", "nowhere.example.com", "127.0.0.1:99999"]
)
def test_an_address_that_nobody_can_send_to(run, given):
    done = run("integrate", "bind", "--server", given)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ") and "127.0.0.1:5300" in done.err


def test_a_port_that_is_chosen_at_the_start(run, write):
    write(config="server: {port: 0}\n")
    done = run("integrate", "bind", "--config", "config.yaml")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "Error: the port is chosen at the start, so a resolver cannot be told it; "
        "say the address at which the resolver reaches us: --server 127.0.0.1:5300\n"
    )


def test_where_nothing_is_served_there_is_nothing_to_say(run, write):
    write(config="reserved: {serve: false, extras: false}\n")
    done = run("integrate", "bind", "--config", "config.yaml")
    assert (done.code, done.out) == (1, "")
    assert "no zone is served" in done.err


def test_with_errors_in_the_maps_nothing_is_printed_but_those(run, write):
    write(config=CONFIG, map=f"{MAP}  10.30.0.0/16:\n")
    done = run("integrate", "bind", "--config", "config.yaml")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0].startswith("map.yaml:6: a delegation without name servers; ")
    assert done.err.splitlines()[-1] == "1 error: nothing of this would be served"


def test_wrong_use(run):
    assert run("integrate").code == 2
    done = run("integrate", "djbdns")
    assert done.code == 2 and "'bind'" in done.err
    assert run("integrate", "bind", "zones/a.yaml").code == 2


def test_what_a_map_says_reaches_no_terminal_as_it_is(run, write):
    write(map="zone: 10.0.0.0/8\ndelegate: {10.20.0.0/16: [_odd_.example.com]}\n")
    done = run("integrate", "unbound", "--zones", "map.yaml", "--server", "127.0.0.1:5300")
    assert done.code == 0 and "    stub-host: _odd_.example.com." in done.lines
