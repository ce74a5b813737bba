"""BIND's files as Debian's package has them, which its named.conf includes."""

import re
from pathlib import Path

from peer_programs import UNPACKED

# What `integrate` leaves to the zones of named.conf.default-zones.
LEFT_TO_BIND = ("0.in-addr.arpa.", "127.in-addr.arpa.", "255.255.255.255.in-addr.arpa.")


def debians_file(name: str) -> str:
    """The text of a file of /etc/bind; what it names lies where the package was unpacked."""
    root = UNPACKED.parent / "root"
    if not (root / "etc/bind").is_dir():
        root = Path("/")  # the machine has the package itself
    return re.sub(r'"/(etc/bind|usr/share/dns)/', rf'"{root}/\1/', (root / "etc/bind" / name).read_text())


def default_zones() -> str:
    """named.conf.default-zones, but for the root hints: who runs a resolver in a stand-in internet has others."""
    text, number = re.subn(r'zone "\." \{.*?\n\};', "", debians_file("named.conf.default-zones"), flags=re.DOTALL)
    assert number == 1
    return text
