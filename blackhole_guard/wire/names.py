"""Domain names: wire form, text, labels.

RFC 1035 sections 2.3.4 and 3.1 (form and limits), 5.1 (escapes in text); RFC 4343 (case).
A wire name here is uncompressed and absolute, its root octet included. Its lower-case form is `name.lower()`: the
length octets are below 64, where ASCII has no letters. Left out: how to compress, which belongs to responses, and IDNA,
which belongs to files.
"""

from collections.abc import Iterable, Iterator

from blackhole_guard.wire.errors import WireError

MAX_NAME = 255  # octets (RFC 1035 section 2.3.4)
MAX_LABEL = 63  # octets
ROOT = b"\x00"
_MAX_POINTERS = 127  # a name has at most as many labels
_NIBBLES = b"\x01" * 32  # the lengths of the labels that stand for an IPv6 address (RFC 3596 section 2.5)

# What would be syntax in a master file, a shell or a log, and all that does not print, is shown as \DDD.
_SPECIAL = b'.\\";()@$'
_ESCAPED = tuple(
    chr(octet) if 0x21 <= octet <= 0x7E and octet not in _SPECIAL else f"\\{octet:03d}" for octet in range(256)
)


def pack_name(text: str) -> bytes:
    """Turn text into a wire name; case is kept.

    Args:
        text: labels joined by dots, with or without the last one; `\\DDD` is an octet, `\\X` the character X; `.` is
            the root.
    Raises:
        WireError: an empty or overlong label, an overlong name, a bad escape, or a character outside ASCII.
    Source: RFC 1035 section 5.1.
    """
    if text == ".":
        return ROOT
    if "\\" not in text:
        try:
            labels = text.removesuffix(".").encode("ascii").split(b".")
        except UnicodeEncodeError as error:
            raise WireError("a character outside ASCII", offset=error.start) from error
        return join_labels(labels)
    return join_labels(_split_escaped(text))


def _split_escaped(text: str) -> list[bytes]:
    labels, label, position = [], bytearray(), 0
    while position < len(text):
        character = text[position]
        if character == ".":
            labels.append(bytes(label))
            label.clear()
            position += 1
            continue
        if character == "\\":
            octet, position = _read_escape(text, position)
        else:
            octet, position = ord(character), position + 1
        if octet > 0x7F and character != "\\":
            raise WireError("a character outside ASCII", offset=position - 1)
        label.append(octet)
    if label:
        labels.append(bytes(label))
    return labels


def _read_escape(text: str, position: int) -> tuple[int, int]:
    """Read `\\DDD` or `\\X` at `position`: the octet, and where text goes on."""
    digits = text[position + 1 : position + 4]
    if digits[:1].isdecimal() and digits.isascii():
        if len(digits) == 3 and digits.isdecimal() and int(digits) <= 255:
            return int(digits), position + 4
        raise WireError("an escape that is not \\000 to \\255", offset=position)
    if digits[:1].isascii() and digits:
        return ord(digits[0]), position + 2
    raise WireError("an escape of nothing that ASCII has", offset=position)


def join_labels(labels: Iterable[bytes]) -> bytes:
    """Put labels, leftmost first and without the root, together as a wire name.

    Raises:
        WireError: a label is empty or longer than 63 octets, or the name than 255.
    """
    name = bytearray()
    for label in labels:
        if not 1 <= len(label) <= MAX_LABEL:
            raise WireError(
                "an empty label" if not label else f"a label of more than {MAX_LABEL} octets", offset=len(name)
            )
        name.append(len(label))
        name += label
    name.append(0)
    if len(name) > MAX_NAME:
        raise WireError(f"a name of more than {MAX_NAME} octets", offset=MAX_NAME)
    return bytes(name)


def split_labels(name: bytes) -> tuple[bytes, ...]:
    """Take a wire name apart: its labels, leftmost first, without the root."""
    labels, position = [], 0
    while length := name[position]:
        position += 1
        labels.append(name[position : position + length])
        position += length
    return tuple(labels)


def find_name_end(octets: bytes, position: int) -> int:
    """Find where an uncompressed name that begins at `position` of a message ends.

    Returns:
        The position behind its root octet.
    Raises:
        WireError: a pointer or another kind of label, a name of more than 255 octets, or one that runs over the end.
    Source: RFC 1035 sections 2.3.4 and 4.1.4.
    """
    start, limit = position, min(len(octets), position + MAX_NAME)
    if octets[position : position + 64 : 2] == _NIBBLES:
        position += 64  # a whole IPv6 address in one step instead of 32
    while position < limit:
        length = octets[position]
        if not length:
            return position + 1
        if length > MAX_LABEL:
            raise WireError("a pointer, or no label", offset=position)
        position += 1 + length
    raise WireError(f"a name of more than {MAX_NAME} octets, or one that runs over the end", offset=start)


def skip_name(octets: bytes, position: int) -> int:
    """Find where a name that may end in a pointer ends. The pointer is not followed.

    Returns:
        The position behind its root octet, or behind its pointer.
    Raises:
        WireError: no label, a name of more than 255 octets, or one that runs over the end.
    """
    start, limit = position, min(len(octets), position + MAX_NAME)
    while position < limit:
        length = octets[position]
        if not length:
            return position + 1
        if length >= 0xC0:
            return position + 2
        if length > MAX_LABEL:
            raise WireError("no label", offset=position)
        position += 1 + length
    raise WireError("a name that is too long, or runs over the end", offset=start)


def read_name(octets: bytes, position: int) -> bytes:
    """Read a name that may be compressed (RFC 1035 section 4.1.4).

    Each pointer leads to before where the name, or the pointer before it, led: so no name is a loop, and the dearest
    one takes 127 labels and as many pointers.
    Returns:
        Wire form, uncompressed, as it was written.
    Raises:
        WireError: as `skip_name` does; or a pointer forwards, too many of them, or too long a name in the end.
    """
    name, first, pointers = bytearray(), position, 0
    while position < len(octets):
        length = octets[position]
        if not length:
            name.append(0)
            return bytes(name)
        if length >= 0xC0:
            target = int.from_bytes(octets[position : position + 2], "big") & 0x3FFF
            pointers += 1
            if position + 2 > len(octets) or target >= first or pointers > _MAX_POINTERS:
                raise WireError("a pointer that leads nowhere, or too many", offset=position)
            position = first = target
            continue
        name += octets[position : position + 1 + length]
        # The root octet must fit, too.
        if length > MAX_LABEL or len(name) >= MAX_NAME:
            raise WireError("no label, or a name that is too long", offset=position)
        position += 1 + length
    raise WireError("a name that runs over the end", offset=position)


def suffixes(name: bytes) -> Iterator[bytes]:
    """Walk a wire name upwards: the name itself first, the root last."""
    position = 0
    while length := name[position]:
        yield name[position:]
        position += 1 + length
    yield ROOT


def is_subdomain(name: bytes, of: bytes) -> bool:
    """Say whether a wire name equals another or lies below it. Both lower case."""
    if not name.endswith(of):
        return False
    # The octets may agree without a label's border between them: "\x03in-" ends other labels, too.
    position, border = 0, len(name) - len(of)
    while position < border:
        position += 1 + name[position]
    return position == border


def format_name(name: bytes) -> str:
    """Write a wire name as text that is safe to print: absolute, each octet that is not plain as `\\DDD`."""
    labels = split_labels(name)
    return "".join("".join([_ESCAPED[octet] for octet in label]) + "." for label in labels) or "."


def escape_text(text: str, limit: int = 2048) -> str:
    """Make any text safe for a terminal or a log line: what does not print as one ASCII character becomes escapes.

    Args:
        limit: characters of the result; a longer text ends in `...`.
    """
    safe = "".join(
        [character if " " <= character <= "~" else _escape_character(character) for character in text[: limit + 1]]
    )
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def _escape_character(character: str) -> str:
    octets = character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "replace")
    return "".join([f"\\{octet:03d}" for octet in octets])
