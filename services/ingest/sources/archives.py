"""Unpacks gzip streams and the members of zip archives block by block, never to disk. Knows no CSV.

A bomb is stopped by the ratio of bytes out to bytes in, an archive that ends early by its missing end.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

from services.ingest.parse.header import EMPTY_ZIP_MAGIC, GZIP_MAGIC, ZIP_MAGIC
from services.ingest.sources.file_names import name_fault
from shared.errors import BadInputFile

MAX_RATIO = 200  # bytes out of one byte in; real exports reach 12, rows that repeat themselves 100
FREE_BYTES = 64 << 20  # unpacked before the ratio counts
MAX_MEMBERS = 1000
_BLOCK_BYTES = 1 << 20
_MAX_READ_BYTES = 4 << 20  # a longer read is the directory of far too many members
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_ENCRYPTED = 1  # bit of a member's flags
_OFFICE_DOCUMENT = "[Content_Types].xml"
# What the standard library raises on bytes that are no archive.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, IndexError, OSError)


class Archive(Protocol):
    """A source whose bytes may be read from any position."""

    @property
    def name(self) -> str: ...

    def opened(self) -> io.RawIOBase:
        """The bytes, seekable. Raises `BadInputFile` (`io`)."""
        ...


def is_gzip(start: bytes) -> bool:
    """Whether a stream that starts so is gzip."""
    return start.startswith(GZIP_MAGIC)


def is_zip(start: bytes) -> bool:
    """Whether a file that starts so is a zip archive, or a document that is one."""
    return start.startswith((ZIP_MAGIC, EMPTY_ZIP_MAGIC))


def unpacked(blocks: Iterator[bytes]) -> Generator[bytes]:
    """The blocks as they are, or what they unpack to if they are gzip. Raises as `gunzip` does."""
    start = b""
    while len(start) < len(GZIP_MAGIC) and (block := next(blocks, b"")):
        start += block
    if start:
        stream = _after(start, blocks)
        yield from gunzip(stream) if is_gzip(start) else stream


def gunzip(blocks: Iterator[bytes]) -> Generator[bytes]:
    """What one or several gzip members unpack to. Raises `BadInputFile` (`truncated`, `damaged`, `ratio`)."""
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    bytes_in = bytes_out = 0
    within = False  # a member, between its first byte and its last
    for block in blocks:
        bytes_in += len(block)
        rest = block
        while rest:
            if not within:
                rest = rest.lstrip(b"\0")  # padding, as tapes have it
                inflate, within = zlib.decompressobj(_GZIP_WINDOW), bool(rest)
                continue
            try:
                data = inflate.decompress(rest, _BLOCK_BYTES)
            except zlib.error as error:
                message = f"within its first {bytes_in:,} bytes it is not gzip ({error}); send the file again"
                raise BadInputFile("damaged", message) from error
            bytes_out += len(data)
            _check_ratio(bytes_in, bytes_out)
            if data:
                yield data
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            within = not inflate.eof
    if within:
        raise BadInputFile(
            "truncated", f"the gzip data break off after {bytes_in:,} bytes; send the file again"
        )


@dataclass(frozen=True)
class Member:
    """One file within a zip archive."""

    archive: Archive
    info: zipfile.ZipInfo
    rereadable: bool = True

    @property
    def name(self) -> str:
        return f"{self.archive.name}/{self.info.filename}"

    @property
    def size_bytes(self) -> int:
        return self.info.file_size

    def blocks(self) -> Generator[bytes]:
        if fault := name_fault(self.info.filename):
            raise BadInputFile("name", fault)
        if self.info.flag_bits & _ENCRYPTED:
            raise BadInputFile("damaged", "it is encrypted; pack it without a password")
        if self.info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BadInputFile(
                "damaged", "it is packed in an unusual way; pack it with deflate, which every zip program can"
            )
        try:
            with (
                closing(_buffered(self.archive)) as file,
                _Opened(file, self.info) as archive,
                archive.open(self.info) as member,
            ):
                while block := member.read(_BLOCK_BYTES):
                    yield block
        except EOFError:
            raise BadInputFile("truncated", "the archive ends within this member; send it again") from None
        except _DAMAGE as error:
            raise BadInputFile(
                "damaged", f"it cannot be unpacked ({error}); send the archive again"
            ) from error


def members(archive: Archive) -> list[Member]:
    """The CSV files in a zip archive. Raises `BadInputFile` (`truncated`, `ratio`, `magic`, `io`)."""
    with closing(_buffered(archive)) as file:
        size_bytes = file.seek(0, io.SEEK_END)
        if not zipfile.is_zipfile(file):
            raise BadInputFile(
                "truncated", "the zip archive has no list of its members; it was cut off, send it again"
            )
        try:
            with zipfile.ZipFile(file) as directory:
                infos = directory.infolist()
        except _DAMAGE as error:
            raise BadInputFile(
                "damaged", f"the list of members cannot be read ({error}); send it again"
            ) from error
    if any(info.filename == _OFFICE_DOCUMENT for info in infos):
        raise BadInputFile("magic", "this is an Office document (xlsx), not CSV; export it as CSV")
    if len(infos) > MAX_MEMBERS:
        raise BadInputFile("ratio", f"the archive has more than {MAX_MEMBERS:,} members; split it")
    _check_ratio(size_bytes, sum(info.file_size for info in infos))
    found = [Member(archive, info) for info in infos if _is_csv(PurePosixPath(info.filename))]
    if not found:
        raise BadInputFile("io", "the archive holds no .csv file")
    return found


def _is_csv(path: PurePosixPath) -> bool:
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return path.suffix.lower() == ".csv" and not hidden


def _check_ratio(bytes_in: int, bytes_out: int) -> None:
    if bytes_out > FREE_BYTES + MAX_RATIO * bytes_in:
        message = f"{bytes_in:,} packed bytes are {bytes_out:,} or more; the limit is {MAX_RATIO} times"
        raise BadInputFile("ratio", f"{message}; send the file unpacked")


def _after(start: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from blocks


class _Opened(zipfile.ZipFile):
    """An archive of which one member is known: its directory, which lists all of them, is not read once more for each."""

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo) -> None:
        self._known = info
        super().__init__(file)

    def _RealGetContents(self) -> None:  # noqa: N802 (the standard library's name)
        self.filelist = [self._known]
        self.NameToInfo = {self._known.filename: self._known}


class _Bounded(io.BufferedReader):
    """A reader that a hostile directory cannot make fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size if size is not None and 0 <= size <= _MAX_READ_BYTES else _MAX_READ_BYTES + 1
        data = super().read(wanted)
        if len(data) > _MAX_READ_BYTES:
            raise BadInputFile("ratio", f"the archive has more than {MAX_MEMBERS:,} members; split it")
        return data


def _buffered(archive: Archive) -> BinaryIO:
    return _Bounded(archive.opened(), _BLOCK_BYTES)
