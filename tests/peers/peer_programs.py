"""Where the programs of the peers are: unpacked by script/peers, or the machine's own."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
UNPACKED = ROOT / ".cache" / "peers" / "bin"


def find_program(name: str) -> str | None:
    """The absolute path of `named`, `dig`, `nsenter`, ..., or None where it cannot be had."""
    own = UNPACKED / name
    if own.is_file():
        return str(own)
    return shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def program(name: str) -> str:
    """The absolute path of a program that the test has asked for with `@pytest.mark.peers`."""
    path = find_program(name)
    assert path is not None, f'{name} is missing: mark the test with @pytest.mark.peers("{name}")'
    return path
