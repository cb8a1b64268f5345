"""Where bytes come from: files, folders of files, standard input. Knows no CSV; other sources join by the protocol."""

import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.errors import BadInputFile

BLOCK_BYTES = 1 << 20


class Source(Protocol):
    """A named stream of bytes. `size_bytes` is None where it is not known before the end."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int | None: ...

    @property
    def rereadable(self) -> bool:
        """Whether `blocks` may be called more than once."""
        ...

    def blocks(self) -> Generator[bytes]:
        """The bytes from the first, in blocks of any size but none. Raises `BadInputFile` (`io`)."""
        ...


@dataclass(frozen=True)
class FileSource:
    """One file on disk."""

    path: Path
    rereadable: bool = True

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def size_bytes(self) -> int | None:
        return self.path.stat().st_size if self.path.is_file() else None

    def blocks(self) -> Generator[bytes]:
        if self.path.exists() and not self.path.is_file():
            raise BadInputFile("io", f"{self.path} is not a regular file")
        try:
            with self.path.open("rb", buffering=0) as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
        except OSError as error:
            raise BadInputFile("io", f"cannot read {self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class StandardInput:
    """What is piped into the command."""

    name: str = "-"
    size_bytes: int | None = None
    rereadable: bool = False

    def blocks(self) -> Generator[bytes]:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
            while block := file.read(BLOCK_BYTES):
                yield block


def expand(paths: Sequence[str]) -> list[Source]:
    """The sources that these arguments name; a folder stands for its `*.csv`. Raises `BadInputFile` (`io`)."""
    sources: list[Source] = []
    for argument in paths:
        path = Path(argument)
        if argument == "-":
            sources.append(StandardInput())
        elif path.is_dir():
            found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() == ".csv")
            if not found:
                raise BadInputFile("io", f"the folder {path} holds no .csv file")
            sources.extend(map(FileSource, found))
        else:
            sources.append(FileSource(path))
    return sources
