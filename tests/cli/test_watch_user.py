"""Whom `watch` becomes: a row per rule. That it does, and reports on, is in tests/peers/test_watch.py."""

import os
import socket
import subprocess
import sys

import click
import pytest

from blackhole_guard.cli.watch_user import NOBODY, choose_user
from blackhole_guard.server.privileges import User

pytestmark = pytest.mark.root


@pytest.fixture
def place(tmp_path):
    """A server's state directory, and in it the observer's socket, of whom the test wants them to be."""
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "watch.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return path


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("server: {user: sys}\n")
    return str(path)


def test_who_is_wanted_comes_before_all_others(place, config):
    os.chown(place, 1, 1)
    assert choose_user("bin:daemon", config, None, [str(place)]) == User("bin:daemon", 2, 1)


def test_the_settings_come_before_who_owns_the_socket(place, config):
    os.chown(place, 1, 1)
    assert choose_user(None, config, None, [str(place)]) == User("sys", 3, 3)


def test_with_a_state_directory_of_its_own_the_settings_may_be_another_servers(place, config):
    os.chown(place, 1, 1)
    assert choose_user(None, config, str(place.parent), [str(place)]) == User("1", 1, 1)


@pytest.mark.parametrize(
    ("socket_of", "directory_of", "expected"),
    [
        (1, 2, User("1", 1, 1)),
        (0, 2, User("2", 2, 2)),
        (None, 2, User("2", 2, 2)),  # no server is there yet
        (0, 0, NOBODY),
        (54321, 0, User("54321", 54321, 65534)),  # without an account
    ],
)
def test_else_it_is_who_owns_the_socket_or_else_the_directory(place, socket_of, directory_of, expected):
    if socket_of is None:
        place.unlink()
    else:
        os.chown(place, socket_of, 0)
    os.chown(place.parent, directory_of, 0)
    assert choose_user(None, None, str(place.parent), ["/nonexistent/watch.sock", str(place)]) == expected


@pytest.mark.parametrize(("link_of", "expected"), [(1, User("1", 1, 1)), (0, User("2", 2, 2))])
def test_a_link_of_anybodys_but_root_does_not_say_whose_it_is(place, link_of, expected):
    os.chown(place, 2, 2)
    link = place.with_name("link.sock")
    link.symlink_to(place)
    os.lchown(link, link_of, link_of)
    assert choose_user(None, None, str(place.parent), [str(link)]) == expected


def test_who_reports_to_nobody_is_nobody(config):
    assert choose_user(None, config, None, None) == NOBODY


@pytest.mark.parametrize(
    ("wanted", "settings", "what"),
    [
        ("root", "", "--user: root is whom the drop is from"),
        ("none\x1bsuch", "", r"--user: there is no user none\\027such"),
        (None, "server: {user: nonesuch}\n", "server.user: there is no user nonesuch"),
    ],
)
def test_a_user_that_cannot_be_is_an_error(tmp_path, wanted, settings, what):
    (tmp_path / "own.yaml").write_text(settings)
    with pytest.raises(click.ClickException, match=what):
        choose_user(wanted, str(tmp_path / "own.yaml"), None, [])


@pytest.mark.parametrize("number", ["4294967295", "99999999999999999999"])
def test_a_number_that_no_user_has_is_an_error(number):
    words = ["watch", "--no-report", "--seconds", "0.1", "--user", f"{number}:{number}"]
    done = subprocess.run([sys.executable, "-m", "blackhole_guard", *words], capture_output=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(b"Error: ")
    assert b"Traceback" not in done.stderr


def test_only_root_can_become_another():
    os.seteuid(65534)
    try:
        assert choose_user(None, None, None, None) is None
        with pytest.raises(click.ClickException, match="--user: only root can become another user"):
            choose_user("daemon", None, None, None)
    finally:
        os.seteuid(0)
