"""Runs a function in a forked child, as the supervisor runs its workers."""

import multiprocessing
from collections.abc import Callable

_FORK = multiprocessing.get_context("fork")


def in_child(function: Callable[..., object], *args: object) -> None:
    """Run `function` in a child that shares our memory, and wait for it; an exception in it fails the test."""
    process = _FORK.Process(target=function, args=args)
    process.start()
    process.join(20)
    assert process.exitcode == 0
