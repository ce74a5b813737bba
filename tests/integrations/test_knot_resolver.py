"""Knot Resolver's rules, as a running one takes them (tests/peers/test_integrate.py)."""

from ipaddress import ip_address

from plans import whole_plan

from blackhole_guard.integrations.knot_resolver import render
from blackhole_guard.integrations.plan import Server

LINES = {
    "/etc/knot-resolver/kresd.conf": """\
local ds_at_parent = policy.domains(policy.PASS, policy.todnames({
    '10.in-addr.arpa',
    'home.arpa',
    'service.arpa',
}))
policy.add(function (request, query)
    if query.stype == kres.type.DS then return ds_at_parent(request, query) end
end)
policy.add(policy.suffix(policy.FLAGS({'NO_CACHE'}), policy.todnames({
    '10.in-addr.arpa',
    '6.5.4.3.2.1.d.f.ip6.arpa',
    'home.arpa',
    'service.arpa',
})))
policy.add(policy.suffix(policy.STUB({'127.0.0.1@5300'}), policy.todnames({
    '6.5.4.3.2.1.d.f.ip6.arpa',
})))
policy.add(policy.suffix(policy.STUB({'10.1.3.66'}), policy.todnames({
    '64/26.3.1.10.in-addr.arpa',
})))
policy.add(policy.suffix(policy.STUB({'127.0.0.1@5300'}), policy.todnames({
    '1.20.10.in-addr.arpa',
})))
policy.add(policy.suffix(policy.STUB({'10.20.0.10', 'fd12::10'}), policy.todnames({
    '20.10.in-addr.arpa',
})))
policy.add(policy.suffix(policy.STUB({'127.0.0.1@5300'}), policy.todnames({
    '10.in-addr.arpa',
    'home.arpa',
    'service.arpa',
})))
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "Knot Resolver"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: look-ups there fail",
        "10.1.3.64/26: Knot Resolver does not follow the CNAMEs to it: its clients get the CNAME alone",
    ]


def test_several_servers_and_ports():
    text = render(whole_plan(Server(ip_address("10.0.0.53")), Server(ip_address("::1"), 5300))).pieces[0].text
    assert "policy.STUB({'10.0.0.53', '::1@5300'})" in text
