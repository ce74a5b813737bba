"""When the observer's libraries are imported."""

import os
import sys

import pytest

from blackhole_guard.app import observer
from blackhole_guard.app.leak_sockets import LeakSockets
from blackhole_guard.server.privileges import find_user

OBSERVER = "blackhole_guard.telemetry.observer"


def is_preloaded(user):
    """Preload in a fork, as a start does; whether that imported anything."""
    if (child := os.fork()) == 0:
        try:
            sys.modules.pop(OBSERVER, None)
            observer.preload(user, with_rounds=False, leaks=LeakSockets(), api=False)
            os._exit(OBSERVER in sys.modules)
        finally:  # whatever happens, this is no second pytest
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1)
    return bool(code)


@pytest.mark.root
@pytest.mark.parametrize(("mode", "expected"), [(0o755, False), (0o700, True)])
def test_they_are_imported_before_a_change_to_a_user_who_may_not_read_them(open_folder, monkeypatch, mode, expected):
    package = open_folder / "package"
    package.mkdir()
    (package / "library_of_the_observer.py").touch()
    package.chmod(mode)
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setattr(observer, "_LIBRARIES", ("library_of_the_observer",))
    assert is_preloaded(find_user("nobody")) is expected
