"""Reads the members of zip archives block by block, never to disk. Damage and bombs become `BadInputFile`."""

import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from services.ingest.parse.file_signatures import refuse_documents
from services.ingest.sources.file_names import find_name_fault
from services.ingest.sources.left_out import LeftOut, describe_left_out, find_member_fault
from services.ingest.sources.source import BLOCK_BYTES, SeekableSource
from services.ingest.sources.unpacking_limits import MAX_MEMBERS, check_ratio, refuse_too_many_members
from shared.errors import BadInputFile

_MAX_READ_BYTES = 4 << 20  # a longer read is the directory of far too many members
_ENCRYPTED = 1  # bit of a member's flags
# Methods of packing that are not read, by their number in the zip format (APPNOTE 4.4.5).
_METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64, which Windows Explorer uses for files above 2 GB",
    12: "bzip2",
    14: "LZMA",
    20: "Zstandard",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
}
_AES = 99
# `zipfile` and the decompressors raise all of these on damaged bytes; NotImplementedError for a method they lack.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, IndexError, OSError)


@dataclass(frozen=True)
class ZipMember:
    """One file in a zip archive. `is_doubled`: another one has the same name, so that one of the two is out of date."""

    archive: SeekableSource
    info: zipfile.ZipInfo
    is_doubled: bool = False
    is_rereadable: bool = True

    @property
    def name(self) -> str:
        return f"{self.archive.name}/{self.info.filename}"

    @property
    def size_bytes(self) -> int:
        return self.info.file_size

    def read_blocks(self) -> Generator[bytes]:
        self._refuse_unreadable()
        with closing(buffer_archive(self.archive.open_seekable())) as file:
            yield from self.read_blocks_from(file)

    def read_blocks_from(self, file: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Generator[bytes]:
        """Yield the bytes of the member from the open archive."""
        self._refuse_unreadable()
        try:
            with _KnownMember(file, self.info) as archive, archive.open(self.info) as member:
                while block := member.read(block_bytes):
                    yield block
        except EOFError:
            raise BadInputFile("truncated", "the archive ends within this member; send it again") from None
        except _DAMAGE as error:
            raise BadInputFile(
                "damaged", f"it cannot be unpacked ({error}); send the archive again"
            ) from error

    def _refuse_unreadable(self) -> None:
        if fault := find_name_fault(self.info.filename):
            raise BadInputFile("name", fault)
        if self.is_doubled:
            raise BadInputFile(
                "name",
                "the archive has several files of this name, so it is unclear which one is meant; pack it again with only the"
                " right one",
            )
        method = self.info.compress_type
        if self.info.flag_bits & _ENCRYPTED or method == _AES:
            kind = " with AES" if method == _AES else ""
            raise BadInputFile("damaged", f"it is encrypted{kind}; pack it without a password")
        if method not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BadInputFile(
                "damaged",
                f"it is packed with {_METHODS.get(method, f'the unknown method {method}')}; pack it with deflate, which every"
                " zip program can (zip, 7z -tzip -mm=Deflate), or compress the CSV with gzip",
            )


def list_members(archive: SeekableSource, file: BinaryIO) -> tuple[list[ZipMember], list[LeftOut]]:
    """Return the tables in an open zip archive, and what is left out of it.

    Raise `BadInputFile` (`truncated`, `ratio`, `magic`, `io`).
    """
    size_bytes = file.seek(0, io.SEEK_END)
    if not zipfile.is_zipfile(file):
        raise BadInputFile(
            "truncated", "the zip archive has no list of its members: it was cut off; send it again"
        )
    try:
        with zipfile.ZipFile(file) as directory:
            infos = directory.infolist()
    except _DAMAGE as error:
        raise BadInputFile(
            "damaged", f"the list of members cannot be read ({error}); send it again"
        ) from error
    refuse_documents(info.filename for info in infos)
    if len(infos) > MAX_MEMBERS:
        raise refuse_too_many_members()
    check_ratio(size_bytes, sum(info.file_size for info in infos))
    reasons = {info: find_member_fault(info.filename) for info in infos if not info.is_dir()}
    left_out = [
        LeftOut(f"{archive.name}/{info.filename}", reason) for info, reason in reasons.items() if reason
    ]
    names = Counter(info.filename for info in reasons)
    found = [
        ZipMember(archive, info, is_doubled=names[info.filename] > 1)
        for info, reason in reasons.items()
        if not reason
    ]
    if not found:
        raise BadInputFile("io", f"the archive has no .csv file{describe_left_out(left_out)}")
    return found, left_out


def buffer_archive(raw: io.RawIOBase, buffer_bytes: int = BLOCK_BYTES) -> BinaryIO:
    """Return a reader that a hostile archive cannot make use much memory. It closes `raw` when it is closed."""
    return _BoundedReader(raw, buffer_bytes)


class _KnownMember(zipfile.ZipFile):
    """An archive with one known member. It does not read the directory again, which lists all members."""

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo) -> None:
        self._known = info
        super().__init__(file)

    def _RealGetContents(self) -> None:  # noqa: N802 (the standard library's name)
        self.filelist = [self._known]
        self.NameToInfo = {self._known.filename: self._known}


class _BoundedReader(io.BufferedReader):
    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size if size is not None and 0 <= size <= _MAX_READ_BYTES else _MAX_READ_BYTES + 1
        data = super().read(wanted)
        if len(data) > _MAX_READ_BYTES:
            raise refuse_too_many_members()
        return data
