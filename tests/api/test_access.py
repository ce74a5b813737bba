"""Who may read the API, and by what name."""

import pytest

from blackhole_guard.api.access import check_access
from blackhole_guard.api.problems import ProblemError


def status(client, host, allowed=True):
    try:
        check_access(client, host, lambda _: allowed)
    except ProblemError as problem:
        assert problem.hint
        return problem.status
    return 200


@pytest.mark.parametrize(
    ("client", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:9353", 200),
        ("127.0.0.1", "", 200),  # HTTP/1.0
        ("::1", "[::1]:9353", 200),
        ("::1", "[::1]", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "LOCALHOST.:80", 200),
        ("127.0.0.1", "192.0.2.1:9353", 200),
        ("127.0.0.1", "attacker.example:9353", 421),  # a browser here, to which attacker.example is 127.0.0.1
        ("::ffff:127.0.0.1", "attacker.example", 421),
        ("::1%lo", "attacker.example", 421),
        ("127.0.0.1", "127.0.0.1.attacker.example", 421),
        ("127.0.0.1", "localhost.attacker.example", 421),
        ("127.0.0.1", "[::1].attacker.example", 421),
        ("192.0.2.7", "dns.example.com:9353", 200),  # another machine, which was let in by a setting
    ],
)
def test_a_name_that_strangers_can_choose_does_not_lead_here(client, host, expected):
    assert status(client, host) == expected


def test_who_is_not_in_the_setting_is_sent_away():
    assert status("192.0.2.7", "127.0.0.1", allowed=False) == 403
    assert status("", "127.0.0.1") == 403
