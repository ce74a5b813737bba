"""`explain` for the API: the command itself, in a process of its own, which reads settings and maps as they are now.

To read a million entries takes five seconds and 100 MB, which the observer must not spend itself: it would show nothing
meanwhile. So one runs at a time, a few wait, and each ends in time, whoever asks for whatever.
"""

import asyncio
import contextlib
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import BinaryIO

import msgspec

from blackhole_guard.api.explanation import Explanation
from blackhole_guard.api.problems import ProblemError
from blackhole_guard.wire.names import escape_text

# Whoever waits is sent home by the HTTP gate after 40 seconds. The command takes 0.3 where there is little to read, and
# five for a million entries; where the CPUs are busy it gets a thirtieth of one.
_PATIENCE = 30.0  # seconds from the request to the answer
_WAITING = 4  # that wait at once, the one that runs among them
_MOST = 1 << 20  # octets of an answer; a name has 100 records at most
_SHOWN = 200  # characters of what a failed command said
_CPU = 30  # seconds; who is killed before it ends, such as the observer, leaves nothing running for longer
_FIRST_TO_GO = "1000"  # where memory runs out (proc(5), oom_score_adj): before a worker, or a load


class Explainer:
    """Runs `blackhole-guard explain`."""

    def __init__(self, config: str | None, patterns: Sequence[str]) -> None:
        """Prepare to run it.

        Args:
            config: the settings file; None: there is none.
            patterns: of map files, instead of those that the settings include; none: those.
        """
        options = [f"--config={config}"] if config is not None else []
        options += [f"--zones={pattern}" for pattern in patterns]
        # -P: the working directory is no place for modules.
        self._command = (sys.executable, "-P", "-m", "blackhole_guard", "explain", "--json", *options, "--")
        self._one = asyncio.Lock()
        self._waiting = 0

    async def explain(self, target: str) -> Explanation:
        """Explain what a query for an address, a block or a name gets.

        Raises:
            ProblemError: 400: it is none of these; 502: the command failed; 503: too many ask; 504: it took too long.
        """
        if not target.isascii() or not target.isprintable():
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                f"`{escape_text(target, limit=80)}` is neither an address nor a name",
                "write octets that are no plain characters as \\DDD",
            )
        if self._waiting >= _WAITING:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "others are being explained", "ask again soon", {"Retry-After": "2"}
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                async with self._one:
                    code, said, error = await self._run(target)
        except TimeoutError:
            raise ProblemError(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"it took more than {_PATIENCE:.0f} seconds to read the maps, and to wait for others",
                "run `blackhole-guard explain`, which has all the time that it takes",
            ) from None
        finally:
            self._waiting -= 1
        return _read(code, said, error)

    async def _run(self, target: str) -> tuple[int, bytes, bytes]:
        with _open_scratch() as out, _open_scratch() as err:
            async with _running((*self._command, target), out, err) as process:
                code = await process.wait()
            return code, _take(out), _take(err)


def _open_scratch() -> BinaryIO:
    """Open a file without a name. Not a pipe: what is not read from one holds the process up, and us with it."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("explain"), "w+b")
    return tempfile.TemporaryFile()


def _take(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(_MOST)


@contextlib.asynccontextmanager
async def _running(command: Sequence[str], out: BinaryIO, err: BinaryIO) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command that ends with the block, whatever ends that."""
    nothing = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=out, stderr=err)
    except OSError as error:
        raise _fail(f"the program cannot be run: {error.strerror}") from error
    try:
        _bound(process.pid)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _bound(pid: int) -> None:
    with contextlib.suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_CPU, (_CPU, _CPU))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_MOST, _MOST))
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
        file.write(_FIRST_TO_GO)


def _read(code: int, said: bytes, error: bytes) -> Explanation:
    # 0 and 1 say whether anything of ours answers; 2 is click's, for what was written wrongly.
    if code in (0, 1):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(said, type=Explanation)
    lines = error.decode("ascii", "replace").strip().splitlines() or [f"it ended with {code}"]
    last = escape_text(lines[-1].removeprefix("Error: "), limit=_SHOWN)
    if code == 2:
        raise ProblemError(HTTPStatus.BAD_REQUEST, last, "?name=10.0.0.3, ?name=10.1.0.0/16 or ?name=home.arpa")
    raise _fail(last)


def _fail(why: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_GATEWAY, f"`blackhole-guard explain` failed: {why}", "run it yourself, to see more of it"
    )
