"""Watches a folder, here or on a server, or a prefix: loads every file once, as soon as it no longer changes.

The database remembers what is loaded, so a restart loads nothing again. A new version of a file counts as a new file.
Files that arrive together are a delivery. If one of them was refused, those that it holds back wait until it changes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Event

import structlog

from services.ingest.import_result import ImportResult
from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.run.delivery import LoadSource
from services.ingest.run.paths import fail_alone, load_stored
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.find import is_on_server, list_collection, list_left_out
from services.ingest.sources.left_out import LeftOut
from services.ingest.sources.resolve import Stored, StoredObject
from services.ingest.sources.source import Source
from services.ingest.watched_archive import Archive
from services.ingest.write.ledger import FAULT
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import BadInputFile, InfrastructureError
from shared.settings import Settings

_MAX_ATTEMPTS = 5  # at one version of a file whose failure is not an outage; then it is left until it changes
CHECK_S = 2.0  # a file that does not change in between is complete
_SQL = queries("watch")


class Watcher:
    """Remembers what a collection held at the last check, and which of it is loaded."""

    def __init__(self, path: str, settings: Settings, load: LoadSource, reading: Reading = PLAIN) -> None:
        self._path = path
        self._settings = settings
        self._load = fail_alone(load, self._log_error)
        self._reading = reading
        self._seen: dict[str, str] = {}
        self._done: dict[str, str] = {}
        # Deliveries with a refused file: the versions of that file and of those that it holds back.
        self._held: list[Mapping[str, str]] = []
        self._left_out: set[str] = set()  # entries already logged
        self._archive = Archive(settings.sftp_archive)
        # Failures by name and version.
        self._failures: Counter[tuple[str, str]] = Counter()
        self._log = structlog.get_logger("ingest")

    def watch_until(self, stop: Event) -> None:
        """Check and load until `stop` is set; wait out outages. Raise `BadInputFile` if the path cannot be read.

        Raise `ConfigurationError` if files would be moved into the watched folder itself.
        """
        if is_on_server(self._path):
            self._archive.refuse_watched(self._path)
        list_collection(self._path, self._settings)
        self._log.info("watching", path=self._path)
        while not stop.is_set():
            try:
                self.check_once()
            except (InfrastructureError, BadInputFile) as outage:
                self._log.warning("waiting", path=self._path, error=str(outage))
            stop.wait(self._settings.sftp_check_s if is_on_server(self._path) else CHECK_S)

    def check_once(self) -> None:
        """Load the new files that have not changed since the last check."""
        for one in list_left_out(self._path, self._settings):
            if one.name not in self._left_out:
                self._left_out.add(one.name)
                self._log_left_out(one)
        self._archive.try_again()
        found = list_collection(self._path, self._settings)
        versions = {stored.name: stored.version for stored in found}
        unchanged = [stored for stored in found if self._seen.get(stored.name) == versions[stored.name]]
        self._seen = versions
        waiting = self._list_waiting([stored.name for stored in unchanged])
        if new := self._select_new([stored for stored in unchanged if stored.name not in waiting]):
            self._load_all(new)

    def _select_new(self, found: Sequence[StoredObject]) -> list[StoredObject]:
        unknown = {
            stored_name(stored.name): stored.name
            for stored in found
            if self._done.get(stored.name) != stored.version
        }
        if not unknown:
            return []
        with connect(self._url, application_name="uptill-ingest") as conn:
            for kept, version in conn.execute(_SQL["watched"], {"names": list(unknown)}):
                self._done[unknown[kept]] = version
        return [stored for stored in found if not self._is_done(stored)]

    def _list_waiting(self, unchanged: Sequence[str]) -> frozenset[str]:
        """Return the files of held deliveries, except those that can be loaded again: a file of theirs changed or is gone."""
        self._held = [
            versions
            for versions in self._held
            if all(self._seen.get(name) == version for name, version in versions.items())
            or not self._seen.keys() & versions.keys() <= set(unchanged)
        ]
        return frozenset(name for versions in self._held for name in versions)

    def _is_done(self, stored: Stored) -> bool:
        return self._done.get(stored.name) == self._seen[stored.name]

    def _load_all(self, new: Sequence[StoredObject]) -> None:
        """Load them together, in load order. If that cannot begin, load each alone, so that it does not stop the others."""
        try:
            self._load_together(new)
        except InfrastructureError:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the others are loaded)
            self._log.exception("load_failed", path=self._path)
            for stored in new:
                self._load_alone(stored)

    def _load_together(self, new: Sequence[StoredObject]) -> None:
        unloaded: dict[str, Sequence[ImportResult]] = {}

        def finish(stored: Stored, results: Sequence[ImportResult]) -> None:
            if all(result.state in {"succeeded", "stopped"} for result in results):
                self._finish(stored)
            else:
                unloaded[stored.name] = results

        loading = load_stored(self._url, new, self._load, finish, self._log_left_out, reading=self._reading)
        is_held = sum(result.is_held for result in loading) > 0
        # Those are tried again at the next check.
        faulty = [
            name for name, results in unloaded.items() if _has_fault(results) and not self._give_up(name)
        ]
        if is_held and not faulty:
            # Not recorded as loaded, so that a restart loads the delivery again, as a whole.
            self._held.append({name: self._seen[name] for name in unloaded})
        for stored in new:
            if stored.name in unloaded and not is_held and stored.name not in faulty:
                self._record_done(stored)

    def _load_alone(self, stored: StoredObject) -> None:
        if self._is_done(stored):
            return
        try:
            self._load_together([stored])
        except InfrastructureError:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the others are loaded)
            self._log.exception("file_failed", name=stored.name)
            if self._give_up(stored.name):
                self._record_done(stored)

    def _give_up(self, name: str) -> bool:
        """Count a failure of this version of a file. Return whether it is not to be tried again until it changes."""
        attempt = (name, self._seen[name])
        self._failures[attempt] += 1
        return self._failures[attempt] >= _MAX_ATTEMPTS

    def _log_error(self, source: Source) -> None:
        self._log.exception("file_failed", name=source.name)

    def _log_left_out(self, one: LeftOut) -> None:
        self._log.warning("left_out", name=one.name, reason=one.reason)

    def _finish(self, loaded: Stored) -> None:
        """Record that a file is loaded, or move it away. One that cannot be moved yet is not recorded, so that a restart tries."""
        if self._archive.takes(loaded):
            self._done[loaded.name] = self._seen[loaded.name]
            self._archive.put(loaded)
        else:
            self._record_done(loaded)

    def _record_done(self, loaded: Stored) -> None:
        version = self._seen[loaded.name]
        with connect(self._url, application_name="uptill-ingest") as conn:
            conn.execute(_SQL["record_watched"], {"name": stored_name(loaded.name), "version": version})
        self._done[loaded.name] = version

    @property
    def _url(self) -> str:
        return self._settings.database_url.get_secret_value()


def _has_fault(results: Sequence[ImportResult]) -> bool:
    return any(result.reason == FAULT for result in results)
