"""Opens what is stored once: finds the tables in it, and the kind of each by its header."""

import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from services.ingest.parse.chunks import read_layout
from services.ingest.parse.file_signatures import is_gzip, is_zip
from services.ingest.parse.kinds import Kind
from services.ingest.sources.files import FileSource, StandardInput, read_rest
from services.ingest.sources.gzip_streams import GzipSource, gunzip
from services.ingest.sources.left_out import LeftOut, describe_left_out
from services.ingest.sources.objects import ObjectSource
from services.ingest.sources.sftp_source import SftpSource
from services.ingest.sources.source import HEAD_BYTES, RefusedSource, ResolvedSource
from services.ingest.sources.zip_archives import ZipMember, buffer_archive, list_members
from shared.errors import BadInputFile

_NOT_A_TABLE = "its first line is not the header of a table"
_NOT_TEXT = {"encoding", "header", "line_ends"}
_UNREADABLE = {"damaged", "truncated", "ratio", "name"}  # it may well be a table
StoredObject = FileSource | ObjectSource | SftpSource
Stored = StoredObject | StandardInput


@dataclass(frozen=True)
class Resolved:
    """The tables in what is stored, and what an archive holds besides them."""

    sources: Sequence[ResolvedSource]
    left_out: Sequence[LeftOut] = ()


def resolve_sources(stored: Stored) -> Resolved:
    """Return the tables in what is stored. A refused one is returned too: loading it raises the reason.

    The first bytes tell the format. A zip archive must not be named `.csv`. Raise `StorageUnavailable`.
    """
    if isinstance(stored, StandardInput):
        return Resolved([ResolvedSource(stored, None)])
    try:
        with closing(stored.open_seekable()) as file:
            return _resolve_open(stored, file)
    except BadInputFile as refusal:
        return Resolved([ResolvedSource(RefusedSource(stored.name, refusal), None)])


def has_members(sources: Sequence[ResolvedSource]) -> bool:
    """Return whether the tables of one stored object are the members of an archive."""
    return any(source.is_member for source in sources)


def _resolve_open(stored: StoredObject, file: io.RawIOBase) -> Resolved:
    rest = read_rest(file, HEAD_BYTES)
    start = next(rest, b"")
    blocks = chain([start], rest) if start else rest
    if is_gzip(start):
        return Resolved([ResolvedSource(GzipSource(stored), _read_kind(gunzip(blocks))[0])])
    if is_zip(start) and not stored.name.lower().endswith(".csv"):
        with closing(buffer_archive(file, HEAD_BYTES)) as archive:
            return _resolve_members(*list_members(stored, archive), archive)
    kind, refusal = _read_kind(blocks)
    if refusal and refusal.reason in _NOT_TEXT and stored.name.lower().endswith(".zip"):
        raise BadInputFile(
            "magic",
            "it is named .zip, but does not begin like a zip archive: pack its files again, or correct its name",
        )
    return Resolved([ResolvedSource(stored, kind)])


def _resolve_members(
    members: Sequence[ZipMember], left_out: Sequence[LeftOut], archive: BinaryIO
) -> Resolved:
    """Look at the header of each member. A text file that is not a table is left out, as it may be a note."""
    sources: list[ResolvedSource] = []
    notes: list[LeftOut] = []
    for member in members:
        blocks = member.read_blocks_from(archive, HEAD_BYTES)
        is_packed = member.name.lower().endswith(".gz")
        kind, refusal = _read_kind(gunzip(blocks) if is_packed else blocks)
        if refusal and refusal.reason not in _UNREADABLE and member.name.lower().endswith(".txt"):
            reason = _NOT_A_TABLE if refusal.reason == "header" else str(refusal)
            notes.append(LeftOut(member.name, reason))
            continue
        source = GzipSource(member) if is_packed else member
        sources.append(ResolvedSource(source, kind, is_member=True))
    if not sources:
        raise BadInputFile(
            "io", f"the archive has no .csv file and no other table{describe_left_out([*left_out, *notes])}"
        )
    return Resolved(sources, [*left_out, *notes])


def _read_kind(blocks: Iterator[bytes]) -> tuple[Kind | None, BadInputFile | None]:
    """Return the kind, or why there is none: raised again when the table is loaded."""
    try:
        return read_layout(blocks).kind, None
    except BadInputFile as refusal:
        return None, refusal
    finally:
        if isinstance(blocks, Generator):
            blocks.close()
