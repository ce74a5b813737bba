"""Digests, to tell whether files are the ones that were loaded. They guard against nobody: who can write maps may."""

# Where hashlib has it from. hashlib itself would load OpenSSL: 4 MB in every process, and milliseconds at the start.
from _blake2 import blake2b

SIZE = 32  # octets


def begin_digest(data: bytes) -> blake2b:
    """Begin the digest of what starts like this: it has `update` and `digest`."""
    return blake2b(data, digest_size=SIZE)


def digest(data: bytes) -> bytes:
    """Digest all of something: SIZE octets."""
    return begin_digest(data).digest()
