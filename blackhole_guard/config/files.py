"""Files as octets: read with bounds, and checked to be plain text before YAML sees them.

What YAML would let pass or explain badly is refused here, with its line: byte order marks, other encodings than UTF-8,
control characters, tabs as indentation, line ends that editors and YAML count differently.
"""

import errno
import os
import re
import stat

from blackhole_guard.config.problems import FileProblems, ValueProblem

MAX_FILE = 64 * 1024 * 1024  # octets: a million entries and more; a mistaken `include: /var/log/*` ends here
_PIECE = 1 << 16  # octets read at once: a kernel may let nobody else run meanwhile (python -m bench reloads)

_BOMS = (  # the first that fits holds
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_UTF8_BOM = b"\xef\xbb\xbf"
_PRINTABLE = bytes(octet for octet in range(256) if octet in b"\t\n" or (octet >= 0x20 and octet != 0x7F))
# C1 controls and NEL, the line and paragraph separators that YAML counts as line ends and editors do not, marks that
# turn the direction of text (what a reviewer reads is not what is loaded), byte order marks, noncharacters.
_UNSEEN = re.compile("[\x80-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_TAB_INDENT = re.compile(rb"^ *\t[ \t]*[^\s]", re.MULTILINE)


def read_file(path: str) -> bytes:
    """Read a whole file.

    Raises:
        ValueProblem: it cannot be read, is no regular file, or has more than MAX_FILE octets.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not wait for somebody to write.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueProblem("is no regular file", "name a file, or a pattern such as `zones/*.yaml`")
            pieces, left = [], MAX_FILE + 1
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                pieces.append(piece)
                left -= len(piece)
            data = b"".join(pieces)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueProblem):
            raise
        raise ValueProblem(*_explain(error)) from error
    if len(data) > MAX_FILE:
        raise ValueProblem(f"has more than {MAX_FILE >> 20} MiB", "divide it into several files")
    return data


def resolve_links(path: str) -> str:
    """Name what a path leads to: the same for all ways to a file.

    A relative path stays as it is where the working directory was removed: who reads it says that it is not there.
    """
    try:
        return os.path.realpath(path)
    except FileNotFoundError:
        return path


def _explain(error: OSError | ValueError) -> tuple[str, str]:
    if not isinstance(error, OSError):
        return "cannot be opened: its name holds a NUL", "write the path without it"
    if error.errno == errno.EISDIR:
        return "is a directory", "name a file, or a pattern such as `zones/*.yaml`"
    what = f"cannot be read: {(error.strerror or 'unknown error').lower()}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return what, "let the user that blackhole-guard runs as read it, and enter its directory"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return what, "mend the path, or put the file there"
    return what, "see that it can be read with `cat`"


def check_text(data: bytes, problems: FileProblems) -> str | None:
    """Decode a file's octets, if they are text that can be trusted to look like what it says.

    Returns:
        The text, with LF line ends; None after noting the errors.
    """
    if data.startswith(_UTF8_BOM):
        problems.error(1, "the file begins with a byte order mark", "save it as UTF-8 without BOM")
        return None
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            problems.error(1, f"the file is {encoding}, not UTF-8", "save it as UTF-8 without BOM")
            return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        what = f"not UTF-8: octet 0x{data[error.start]:02x}, the {_column(data, error.start)} of the line"
        problems.error(_line(data, error.start), what, "save the file as UTF-8")
        return None
    before = len(problems.errors)
    _check_characters(data, text, problems)
    if b"\t" in data:
        for match in _TAB_INDENT.finditer(data):
            problems.error(_line(data, match.start()), "a tab is used as indentation", "indent with spaces")
            if len(problems.errors) - before > 100:
                break
    return text if len(problems.errors) == before else None


def _check_characters(data: bytes, text: str, problems: FileProblems) -> None:
    controls = data.translate(None, _PRINTABLE)
    if controls:
        # A NUL makes it a binary file: then the others are no mistakes of their own.
        for octet in (0,) if 0 in controls else sorted(set(controls)):
            what = f"the control character 0x{octet:02x}"
            hint = "end lines with LF or CR LF" if octet == 0x0D else "delete it; a binary file has no place here"
            problems.error(_line(data, data.index(octet)), what, hint)
    if not text.isascii() and (match := _UNSEEN.search(text)):
        what = f"the invisible character U+{ord(match[0]):04X}"
        problems.error(text.count("\n", 0, match.start()) + 1, what, "delete it")


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _column(data: bytes, position: int) -> str:
    number = position - data.rfind(b"\n", 0, position)
    return f"{number}{'th' if number % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
