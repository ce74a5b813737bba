"""Digests, to tell whether files are the ones that were loaded. They guard against nobody: who can write maps may."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

SIZE = 32  # octets


class Digest(Protocol):
    """A digest that goes on, as those of hashlib."""

    def update(self, data: bytes, /) -> None:
        """Go on with more octets."""

    def digest(self) -> bytes:
        """Give the digest of all so far."""


def _find_hash() -> Callable[[bytes], Digest]:
    """Find a function with digests of SIZE octets. Which one it is does not matter: another one, and all is read anew.

    hashlib would load OpenSSL: 4 MB in every process, and milliseconds at the start. So BLAKE2b comes from where
    hashlib has it. Some Pythons are built without it, and under FIPS it refuses.
    """
    try:
        from _blake2 import blake2b

        make = partial(blake2b, digest_size=SIZE)
        make(b"")
    except (ImportError, ValueError):
        from hashlib import sha256

        return sha256
    return make


begin_digest = _find_hash()


def digest(data: bytes) -> bytes:
    """Digest all of something: SIZE octets."""
    return begin_digest(data).digest()
