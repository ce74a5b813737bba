"""`explain`: lines for people, JSON, exit codes. What is said is tested with `explaining`."""

import json

from known_facts import validate

from blackhole_guard.api.resources import ROOT

MAP = """\
zone: 10.0.0.0/8
ttl: 4h
ptr:
  10.0.0.3: [web.example.com, www.example.com]
delegate:
  10.20.0.0/16: {ad1.corp.example.com: 10.20.0.10}
"""


def test_a_mapped_address(run, write):
    write(map=MAP)
    done = run("explain", "10.0.0.3", "--zones", "map.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "10.0.0.3 is asked for as 3.0.0.10.in-addr.arpa.",
        "",
        "answer   PTR web.example.com. (TTL 4h)",
        "answer   PTR www.example.com. (TTL 4h)",
        "from     a map has names for this address  (map.yaml:4)",
        "zone     10.in-addr.arpa. (10.0.0.0/8, map.yaml:1)",
        "why      counted as an averted leak of 10.0.0.0/8: without us the query would have gone to the AS112 servers "
        "(blackhole-1.iana.org and its like)",
    ]


def test_an_address_without_a_name(run):
    done = run("explain", "10.9.9.9")
    assert done.code == 0
    assert [line.split()[0] for line in done.lines[2:]] == ["result", "zone", "why", "why", "hint"]
    assert "NXDOMAIN: no map has a name for this address" in done.lines[2]
    assert done.lines[3] == "zone     10.in-addr.arpa. (10.0.0.0/8, built in)"


def test_what_is_not_ours_is_exit_code_1(run):
    done = run("explain", "www.example.org")
    assert (done.code, done.err) == (1, "")
    assert "REFUSED" in done.out


def test_a_delegation_is_ours_to_answer(run, write):
    write(map=MAP)
    done = run("explain", "10.20.1.1", "--zones", "map.yaml")
    assert done.code == 0
    assert "(RD=0) gets a referral" in done.out and "(map.yaml:6)" in done.out


def test_an_apex_that_the_server_keeps_the_serial_of(run):
    assert "SOA home.arpa. nobody.invalid. automatic 3600 1200 604800 10800 (TTL 3h)" in run("explain", "home.arpa").out


def test_an_apex_with_a_serial_of_its_own(run, write):
    write(map="zone: 10.0.0.0/8\nsoa: {serial: 2009012501, mname: ns1.example.com, rname: admin@example.com}\n")
    soa = "SOA ns1.example.com. admin.example.com. 2009012501 3600 1200 604800 10800"
    assert soa in run("explain", "10.in-addr.arpa", "--zones", "map.yaml").out


def test_the_address_of_a_name_server_in_a_zone_of_ours(run, write):
    write(map="zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {ns.10.in-addr.arpa: [10.0.0.53, fd00::53]}\n")
    done = run("explain", "ns.10.in-addr.arpa", "--zones", "map.yaml")
    assert (done.code, done.lines[2:4]) == (0, ["answer   A 10.0.0.53 (TTL 1h)", "answer   AAAA fd00::53 (TTL 1h)"])


def test_with_errors_in_the_maps_nothing_is_certain(run, write):
    write(map=MAP + "  10.30.0.0/16:\n")
    done = run("explain", "10.0.0.3", "--zones", "map.yaml")
    assert done.code == 1
    assert "PTR web.example.com." in done.out
    assert done.err.splitlines()[1].startswith("map.yaml:7: a delegation without name servers; ")
    assert done.err.splitlines()[2].startswith("1 error: the server would not load this")


def test_json(run, write):
    write(map=MAP)
    done = run("explain", "10.0.0.3", "--zones", "map.yaml", "--json")
    found = json.loads(done.out)
    validate(found, f"{ROOT}/explain")
    why = found.pop("why")
    assert done.code == 0 and len(why) == 1
    assert found == {
        "target": "10.0.0.3",
        "name": "3.0.0.10.in-addr.arpa.",
        "type": "PTR",
        "outcome": "answer",
        "recursive_outcome": "answer",
        "records": [
            {"type": "PTR", "ttl": 14400, "data": "web.example.com."},
            {"type": "PTR", "ttl": 14400, "data": "www.example.com."},
        ],
        "place": {"file": "map.yaml", "line": 4},
        "zone": "10.in-addr.arpa.",
        "block": "10.0.0.0/8",
        "zone_place": "map.yaml:1",
        "delegation": None,
        "what": "a map has names for this address",
        "hint": "",
        "errors": 0,
    }


def test_json_of_what_is_not_ours(run):
    done = run("explain", "9.9.9.9", "--json")
    found = json.loads(done.out)
    assert (done.code, found["outcome"], found["zone"], found["records"]) == (1, "refused", None, [])


def test_wrong_use(run):
    assert run("explain").code == 2
    done = run("explain", "10.0.0.0/12")
    assert done.code == 2 and "explain one address of it" in done.err
    done = run("explain", "a..b")
    assert done.code == 2 and "neither an address nor a name" in done.err
    done = run("explain", "10.0.0.3/8")
    assert done.code == 2 and "a block without bits behind /" in done.err


def test_what_was_asked_for_reaches_no_terminal_as_it_is(run):
    for target in ("\x1b[31m.example.com", r"\027\010.example.com"):
        done = run("explain", target)
        assert done.out.replace("\n", "").isprintable() and done.code == 1
