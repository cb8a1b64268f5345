"""A chunk of whole lines, and its place in the source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place between two lines of a source: the bytes and lines before it, and the SHA-256 of those bytes."""

    end_byte: int
    end_line: int
    prefix_sha256: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines and their place in the source.

    `data` ends with a newline even where the source does not; of an overlong line it may hold only the start.
    `end_line` and `prefix_sha256` describe the source up to `end_byte`. The lines of a chunk `of_messages` come from several senders:
    no record goes on in the next line. `above`: the last 64 KB of the rows before it.
    """

    first_line: int
    first_byte: int
    end_byte: int
    data: bytes
    end_line: int = 0
    prefix_sha256: bytes = b""
    of_messages: bool = False
    above: bytes = b""

    @property
    def checkpoint(self) -> Checkpoint:
        """Return the place after the last line."""
        return Checkpoint(self.end_byte, self.end_line, self.prefix_sha256)
