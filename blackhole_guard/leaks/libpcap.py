"""libpcap, through ctypes: it reads a capture, runs a BPF program over each frame, and writes what passes as pcap.

pcap(3pcap), pcap_dump(3pcap). All of it happens in C, without the GIL: its own `pcap_dump` is the callback, so Python
runs for no frame, wanted or not. It knows nothing of DNS. `Sieve` may be had only where the library is (Debian:
libpcap0.8).
"""

import ctypes
import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.leaks.frames import is_known

_NAMES = ("libpcap.so.0.8", "libpcap.so.1", "libpcap.dylib")  # Debian's, everybody else's, macOS's
_ERROR_SIZE = 256  # PCAP_ERRBUF_SIZE
_NANOSECONDS = 1  # PCAP_TSTAMP_PRECISION_NANO
_ALL = -1
_FULLY_BUFFERED = 0  # _IOFBF
_BUFFER = 1 << 18  # octets of a capture; the C library's own 4,096 are a system call for each 30 frames
# What passes goes on in small pieces into a large pipe, so that neither side waits for the other's turn.
_OUTPUT_BUFFER = 1 << 14  # octets
_PIPE = 1 << 20  # octets: the most that Linux gives to everybody; Python makes room for as much as is asked for
_CALLER_LOCKS = 2  # FSETLOCKING_BYCALLER
_INSTRUCTION = 8  # octets of struct bpf_insn


class _Program(ctypes.Structure):
    """struct bpf_program."""

    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_char_p))


class Libpcap:
    """The functions that we call, with their types."""

    def __init__(self, path: str | None = None) -> None:
        """Load the library. `path`: of it; None: wherever it is. Raises OSError: it is not here, or too old (1.5)."""
        self._library = _load(path)
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        self.open = self._function("pcap_fopen_offline_with_tstamp_precision", pointer, pointer, ctypes.c_uint, text)
        self.link_type = self._function("pcap_datalink", ctypes.c_int, pointer)
        self.set_filter = self._function("pcap_setfilter", ctypes.c_int, pointer, ctypes.POINTER(_Program))
        self.open_dump = self._function("pcap_dump_fopen", pointer, pointer, pointer)
        self.loop = self._function("pcap_loop", ctypes.c_int, pointer, ctypes.c_int, pointer, pointer)
        self.break_loop = self._function("pcap_breakloop", None, pointer)
        self.close_dump = self._function("pcap_dump_close", None, pointer)
        self.close = self._function("pcap_close", None, pointer)
        self.error = self._function("pcap_geterr", text, pointer)
        self.dump = ctypes.cast(self._library.pcap_dump, pointer)
        # The C library's, for the FILE * that libpcap wants.
        self._c = ctypes.CDLL(None, use_errno=True)
        self._c.fdopen.restype, self._c.fdopen.argtypes = pointer, (ctypes.c_int, text)
        self._c.setvbuf.argtypes = (pointer, pointer, ctypes.c_int, ctypes.c_size_t)
        self._c.fclose.argtypes = (pointer,)
        # One thread alone has each file: no need of a lock for each header and each frame. macOS has no such function.
        self._set_locking = getattr(self._c, "__fsetlocking", None)
        if self._set_locking is not None:
            self._set_locking.argtypes = (pointer, ctypes.c_int)

    def _function(self, name: str, result: object, *arguments: object) -> Callable[..., object]:
        try:
            function = getattr(self._library, name)
        except AttributeError as error:
            raise OSError(f"libpcap without {name}") from error
        function.restype, function.argtypes = result, arguments
        made: Callable[..., object] = function
        return made

    def open_file(self, descriptor: int, mode: bytes, buffer: int) -> int:
        """Make a FILE * of a descriptor, which it then owns. `buffer`: octets."""
        made: int | None = self._c.fdopen(descriptor, mode)
        if not made:
            number = ctypes.get_errno()
            os.close(descriptor)
            raise OSError(number, os.strerror(number))
        self._c.setvbuf(made, None, _FULLY_BUFFERED, buffer)
        if self._set_locking is not None:
            self._set_locking(made, _CALLER_LOCKS)
        return made

    def close_file(self, file: int) -> None:
        """Close a FILE * that libpcap has not taken over."""
        self._c.fclose(file)


def grow_pipe(descriptor: int) -> None:
    """Have a pipe hold as much as it may: fewer turns for both its ends. Linux alone can; elsewhere nothing happens."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # the machine allows less, or this user has too many
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE)


def _load(path: str | None) -> ctypes.CDLL:
    if path is not None:
        return ctypes.CDLL(path)
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise OSError("no libpcap")


def find_libpcap() -> Libpcap | None:
    """Load libpcap, if this machine has one that is new enough."""
    try:
        return Libpcap()
    except OSError:
        return None


class Sieve:
    """A capture on its way through a filter, in a thread: `read` gives what passes, as a pcap stream with nanoseconds.

    Whoever makes it closes it.
    """

    def __init__(self, libpcap: Libpcap, descriptor: int, make_filter: Callable[[int], bytes]) -> None:
        """Begin.

        Args:
            descriptor: of the capture, which is read from where it stands and closed at the end.
            make_filter: assembles the program for a link type that `frames` knows.
        Raises:
            EvidenceError: libpcap cannot read it.
        """
        self._libpcap = libpcap
        self._failure: str | None = None
        file = libpcap.open_file(descriptor, b"rb", _BUFFER)
        text = ctypes.create_string_buffer(_ERROR_SIZE)
        self._capture = libpcap.open(file, _NANOSECONDS, text)
        if not self._capture:
            libpcap.close_file(file)
            raise EvidenceError(text.value.decode("ascii", "replace"))
        try:
            self._set_filter(make_filter)
            self._output = self._open_output()
        except BaseException:
            libpcap.close(self._capture)
            raise
        self._thread = threading.Thread(target=self._run, name="libpcap", daemon=True)
        self._thread.start()

    def _set_filter(self, make_filter: Callable[[int], bytes]) -> None:
        link_type = int(str(self._libpcap.link_type(self._capture)))
        if not is_known(link_type):
            raise EvidenceError(f"link type {link_type} is not known")
        instructions = make_filter(link_type)
        program = _Program(len(instructions) // _INSTRUCTION, instructions)
        if self._libpcap.set_filter(self._capture, ctypes.byref(program)) != 0:
            raise EvidenceError(self._error())

    def _open_output(self) -> int:
        """Open a pipe: libpcap's dump at its one end; returns the other end."""
        ours, theirs = os.pipe()
        grow_pipe(theirs)
        self._dump = self._libpcap.open_dump(self._capture, self._libpcap.open_file(theirs, b"wb", _OUTPUT_BUFFER))
        if not self._dump:
            os.close(ours)
            raise EvidenceError(self._error())
        return ours

    def _error(self) -> str:
        said = self._libpcap.error(self._capture)
        return said.decode("ascii", "replace") if isinstance(said, bytes) else "libpcap gives no reason"

    def _run(self) -> None:
        if self._libpcap.loop(self._capture, _ALL, self._libpcap.dump, self._dump) == -1:
            self._failure = self._error()
        self._libpcap.close_dump(self._dump)  # the reader sees the end

    def read(self, size: int) -> bytes:
        """Give some octets of the stream, `size` at most; none: the end."""
        return os.read(self._output, min(size, _PIPE))

    def failure(self) -> str | None:
        """Say why libpcap stopped before the capture's end, once `read` has come to its own; None: it did not."""
        self._thread.join()
        return self._failure

    def close(self) -> None:
        """End the thread, wherever it is. If the capture is a pipe, what feeds it must be about to end."""
        self._libpcap.break_loop(self._capture)
        os.close(self._output)  # a write that waits for us fails: Python has SIGPIPE ignored
        self._thread.join()
        self._libpcap.close(self._capture)
