"""Loads what is stored under several names: archives by their members, time zones before hours before polls across all."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg

from services.ingest.sources.find import Refused, Source, StandardInput, Stored, is_archive, unpack
from services.ingest.sources.load_order import load_order
from services.ingest.write.archive_import import claim_archive, finish_archive, queue_members
from services.ingest.write.outcome import ImportResult
from shared.db.connect import connect, translated_errors
from shared.errors import BadInputFile, DatabaseUnavailable

Load = Callable[[Source, UUID | None], ImportResult]  # as the import with this id, where there is one
Found = Stored | StandardInput


@dataclass(frozen=True)
class _Part:
    """A source, and what it is stored in; a member of an archive has its import already."""

    stored: Found
    source: Source
    import_id: UUID | None = None


def load_stored(
    database_url: str,
    found: Sequence[Found],
    load: Load,
    on_loaded: Callable[[Found], None] = lambda _: None,
) -> Iterator[ImportResult]:
    """Load every source in order; `on_loaded` is told of what is loaded with all that it holds.

    Raises what `load` raises, `DatabaseUnavailable` and `StorageUnavailable`; archives that are not loaded to their end
    then go on when the same are loaded again.
    """
    with closing(_Archives(database_url)) as archives:
        parts = [part for stored in found for part in _parts(stored, archives)]
        missing = Counter(part.stored.name for part in parts)
        for part in sorted(parts, key=lambda part: load_order(part.source)):
            yield load(part.source, part.import_id)
            missing[part.stored.name] -= 1
            if not missing[part.stored.name]:
                archives.finish(part.stored)
                on_loaded(part.stored)


def _parts(stored: Found, archives: "_Archives") -> list[_Part]:
    sources = unpack(stored)
    if isinstance(stored, StandardInput) or not is_archive(sources):
        return [_Part(stored, source) for source in sources]
    try:
        return [_Part(stored, source, member) for source, member in archives.begin(stored, sources)]
    except BadInputFile as refusal:
        return [_Part(stored, Refused(stored.name, refusal))]


class _Archives:
    """The archives of one run, each an import of its own, held through one connection until the run ends."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection = ExitStack()
        self._conn: psycopg.Connection | None = None
        self._open: dict[str, UUID] = {}

    def begin(self, archive: Stored, sources: Sequence[Source]) -> Sequence[tuple[Source, UUID]]:
        """Its members, each with its import. Raises as `claim_archive` does."""
        if self._conn is None:
            self._conn = self._connection.enter_context(self._connect())
        with translated_errors():
            self._open[archive.name] = claim_archive(self._conn, archive)
            return queue_members(self._conn, self._open[archive.name], sources)

    def finish(self, stored: Found) -> None:
        """End its import, if it is an archive."""
        if stored.name in self._open:
            with self._connect() as conn:  # the one that holds it may have met an outage
                finish_archive(conn, self._open.pop(stored.name))

    def close(self) -> None:
        """Leave what is not at its end for another run."""
        with self._connection, suppress(DatabaseUnavailable):
            for archive_id in self._open.values():
                with self._connect() as conn:
                    finish_archive(conn, archive_id)

    def _connect(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(self._database_url, application_name="uptill-ingest archive", autocommit=True)
