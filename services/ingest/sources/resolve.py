"""Opens what is stored once: finds the tables in it, and the kind of each by its header."""

import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain

from services.ingest.parse.chunks import read_layout
from services.ingest.parse.file_signatures import is_gzip, is_zip
from services.ingest.parse.kinds import Kind
from services.ingest.sources.files import FileSource, StandardInput, read_rest
from services.ingest.sources.gzip_streams import GzipSource, gunzip
from services.ingest.sources.objects import ObjectSource
from services.ingest.sources.source import HEAD_BYTES, RefusedSource, ResolvedSource
from services.ingest.sources.zip_archives import buffer_archive, list_members
from shared.errors import BadInputFile

StoredObject = FileSource | ObjectSource
Stored = StoredObject | StandardInput


def resolve_sources(stored: Stored) -> list[ResolvedSource]:
    """Return the tables in what is stored. A refused one is returned too: loading it raises the reason.

    The first bytes tell the format. A zip archive must not be named `.csv`. Raise `StorageUnavailable`.
    """
    if isinstance(stored, StandardInput):
        return [ResolvedSource(stored, None)]
    try:
        with closing(stored.open_seekable()) as file:
            return _resolve_open(stored, file)
    except BadInputFile as refusal:
        return [ResolvedSource(RefusedSource(stored.name, refusal), None)]


def has_members(sources: Sequence[ResolvedSource]) -> bool:
    """Return whether the tables of one stored object are the members of an archive."""
    return any(source.is_member for source in sources)


def _resolve_open(stored: StoredObject, file: io.RawIOBase) -> list[ResolvedSource]:
    rest = read_rest(file, HEAD_BYTES)
    start = next(rest, b"")
    blocks = chain([start], rest) if start else rest
    if is_gzip(start):
        return [ResolvedSource(GzipSource(stored), _read_kind(gunzip(blocks)))]
    if is_zip(start) and not stored.name.lower().endswith(".csv"):
        with closing(buffer_archive(file, HEAD_BYTES)) as archive:
            return [
                ResolvedSource(
                    member, _read_kind(member.read_blocks_from(archive, HEAD_BYTES)), is_member=True
                )
                for member in list_members(stored, archive)
            ]
    return [ResolvedSource(stored, _read_kind(blocks))]


def _read_kind(blocks: Iterator[bytes]) -> Kind | None:
    try:
        return read_layout(blocks).kind
    except BadInputFile:
        # Raised again when the table is loaded.
        return None
    finally:
        if isinstance(blocks, Generator):
            blocks.close()
