"""The encoding of a file: UTF-8, or Windows-1252 if the bytes say so and cannot be mistaken for anything else."""

from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["utf-8", "cp1252"]
# Five bytes are undefined in Windows-1252. They are read as in Latin-1: control characters, which are rejected.
_UNDEFINED: Final = frozenset(b"\x81\x8d\x8f\x90\x9d")
_WINDOWS: Final = {
    byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in _UNDEFINED
}


READ_AS_CP1252: Final = (
    "the file is not UTF-8: its ids and names were read as Windows-1252; check those with accents, or save the file as CSV UTF-8"
    " and load it again"
)


@dataclass
class FileEncoding:
    """The encoding of one file, None while it is all ASCII. It never changes once it is known."""

    name: Encoding | None = None


def is_utf8(data: bytes) -> bool:
    """Return whether the bytes are valid UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode_cp1252(data: bytes) -> str:
    """Return the text of bytes in Windows-1252."""
    return data.decode("latin-1").translate(_WINDOWS)


def decode_line(line: bytes, encoding: Encoding | None) -> str | None:
    """Return the text of a line of a file in this encoding, or None if the line is in another one."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return decode_cp1252(line) if encoding == "cp1252" else None
    # UTF-8 beyond ASCII is hardly ever meant as Windows-1252.
    return None if encoding == "cp1252" and not text.isascii() else text
