"""Loads everything that some paths name: archives by their members, time zones before hours before polls."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from uuid import UUID

from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.run.delivery import LoadSource, load_parts
from services.ingest.run.dry_run import plan_sources
from services.ingest.run.load_options import DEFAULT_OPTIONS, LoadOptions
from services.ingest.run.source import load_source
from services.ingest.sources.find import find_stored, is_collection, list_left_out
from services.ingest.sources.left_out import LeftOut
from services.ingest.sources.resolve import Stored, has_members, resolve_sources
from services.ingest.sources.source import RefusedSource, ResolvedSource, Source
from services.ingest.write.archive_imports import ArchiveImports
from services.ingest.write.import_result import ImportResult
from services.ingest.write.ledger import FAULT
from services.ingest.write.step import Step
from shared.db.driver_errors import is_outage
from shared.errors import BadInputFile, InfrastructureError
from shared.settings import Settings

OnLeftOut = Callable[[LeftOut], None]
OnLoaded = Callable[[Stored, Sequence[ImportResult]], None]


def ingest_paths(
    database_url: str,
    paths: Sequence[str],
    *,
    settings: Settings | None = None,
    options: LoadOptions = DEFAULT_OPTIONS,
    on_result: Callable[[ImportResult], None] = lambda _: None,
    on_left_out: OnLeftOut = lambda _: None,
) -> list[ImportResult]:
    """Load what the paths name as one delivery, each file as an import of its own.

    A refused file does not stop polls, but holds back all other files. So does one that meets an unexpected error. Its
    import can resume when the file is loaded again.

    Object stores need the settings. Raise `BadInputFile` if a path names nothing, `DatabaseUnavailable` and
    `StorageUnavailable`.
    """
    load = fail_alone(partial(load_source, database_url, options=options))
    stored = _find_all(paths, settings, on_left_out)
    results = []
    for result in load_stored(database_url, stored, load, reading=options.reading, on_left_out=on_left_out):
        results.append(result)
        on_result(result)
    return results


def plan_paths(
    database_url: str,
    paths: Sequence[str],
    *,
    settings: Settings | None = None,
    options: LoadOptions = DEFAULT_OPTIONS,
    on_result: Callable[[ImportResult], None] = lambda _: None,
    on_left_out: OnLeftOut = lambda _: None,
) -> list[ImportResult]:
    """Return what `ingest_paths` would give, and change nothing. The results come together at the end."""
    sources: list[ResolvedSource] = []
    for stored in _find_all(paths, settings, on_left_out):
        resolved = resolve_sources(stored)
        for left_out in resolved.left_out:
            on_left_out(left_out)
        sources += resolved.sources
    results = plan_sources(database_url, sources, options)
    for result in results:
        on_result(result)
    return results


def _find_all(paths: Sequence[str], settings: Settings | None, on_left_out: OnLeftOut) -> Sequence[Stored]:
    # What is named twice is loaded once.
    stored = list({one.name: one for path in paths for one in find_stored(path, settings)}.values())
    for path in filter(is_collection, paths):
        for left_out in list_left_out(path, settings):
            on_left_out(left_out)
    return stored


def fail_alone(load: LoadSource, on_error: Callable[[Source], None] = lambda _: None) -> LoadSource:
    """Return `load` with a failed result in place of an unexpected error. `on_error` is called while it is handled."""

    def load_one(source: Source, import_id: UUID | None, step: Step) -> ImportResult:
        try:
            return load(source, import_id, step)
        except InfrastructureError:
            raise
        except Exception as error:
            if is_outage(error):
                raise
            on_error(source)
            cause = f"unexpected error, {type(error).__name__}: {error}"
            kind = source.kind if isinstance(source, ResolvedSource) else None
            return ImportResult(source.name, "failed", import_id, kind, error=cause, reason=FAULT)

    return load_one


def load_stored(
    database_url: str,
    found: Sequence[Stored],
    load: LoadSource,
    on_loaded: OnLoaded = lambda _, __: None,
    on_left_out: OnLeftOut = lambda _: None,
    reading: Reading = PLAIN,
) -> Iterator[ImportResult]:
    """Load all tables in what is stored as one delivery, in load order.

    `load` reads them as `reading` describes. `on_loaded` is called with the results of everything in one of them.
    Raise as `load` does, `DatabaseUnavailable` and `StorageUnavailable`. Unfinished archives then resume when the same
    archives are loaded again.
    """
    with closing(ArchiveImports(database_url, reading)) as archives:
        parts = [
            (source, stored, import_id)
            for stored in found
            for source, import_id in _resolve_parts(stored, archives, on_left_out)
        ]
        parts_of = Counter(stored.name for _, stored, _ in parts)
        results: defaultdict[str, list[ImportResult]] = defaultdict(list)
        for stored, result in load_parts(parts, load):
            yield result
            results[stored.name].append(result)
            if len(results[stored.name]) == parts_of[stored.name]:
                archives.end_archive(stored.name)
                on_loaded(stored, results[stored.name])


def _resolve_parts(
    stored: Stored, archives: ArchiveImports, on_left_out: OnLeftOut
) -> Sequence[tuple[ResolvedSource, UUID | None]]:
    """Return the tables in what is stored. A member of an archive already has its import."""
    resolved = resolve_sources(stored)
    sources = resolved.sources
    for left_out in resolved.left_out:
        on_left_out(left_out)
    if not has_members(sources):
        return [(source, None) for source in sources]
    try:
        return archives.begin_archive(stored, sources, resolved.left_out)
    except BadInputFile as refusal:
        return [(ResolvedSource(RefusedSource(stored.name, refusal), None), None)]
