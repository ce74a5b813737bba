"""libpcap, from where script/peers has unpacked it: the machine may have none."""

import ctypes
import os
from functools import cache
from pathlib import Path

from peer_programs import UNPACKED

from blackhole_guard.leaks.libpcap import Libpcap


def libpcap_path() -> Path:
    (path,) = (UNPACKED.parent / "root" / "usr" / "lib").glob("*/libpcap.so.0.8")
    return path


@cache
def libpcap() -> Libpcap:
    try:
        return Libpcap(str(libpcap_path()))
    except OSError:  # the machine has not got what Debian's is linked with, either
        for name in ("libdbus-1.so.3",):
            ctypes.CDLL(str(libpcap_path().with_name(name)), mode=ctypes.RTLD_GLOBAL)
        return Libpcap(str(libpcap_path()))


def environment() -> dict[str, str]:
    """The environment of a program of ours that finds it."""
    return {**os.environ, "LD_LIBRARY_PATH": str(libpcap_path().parent)}
