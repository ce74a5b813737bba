"""The same for the same, whatever function this Python has."""

import hashlib
import sys
from types import SimpleNamespace

import pytest

from blackhole_guard.config import digests
from blackhole_guard.config.digests import SIZE, begin_digest, digest


def test_a_digest_in_parts_is_that_of_the_whole():
    whole = begin_digest(b"one ")
    whole.update(b"two")
    assert whole.digest() == digest(b"one two") == hashlib.blake2b(b"one two", digest_size=32).digest()
    assert len(digest(b"")) == SIZE
    assert digest(b"one") != digest(b"two")


def refuse(data, **_):
    raise ValueError("_blake2 is not available in FIPS mode")


@pytest.mark.parametrize("module", [None, SimpleNamespace(blake2b=refuse)], ids=["is not built", "refuses"])
def test_where_blake2_is_not_to_be_had(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "_blake2", module)
    assert digests._find_hash()(b"one").digest() == hashlib.sha256(b"one").digest()
