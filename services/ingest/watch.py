"""Watches a folder or a prefix: loads every file once, as soon as it no longer changes.

The database remembers what is loaded, so a restart loads nothing again. A new version of a file counts as a new file.
"""

from collections import Counter
from collections.abc import Sequence
from threading import Event

import structlog

from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.run.delivery import LoadSource
from services.ingest.run.paths import load_stored
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.find import list_collection, list_left_out
from services.ingest.sources.left_out import LeftOut
from services.ingest.sources.resolve import Stored, StoredObject
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
        self._load = load
        self._reading = reading
        self._seen: dict[str, str] = {}
        self._done: dict[str, str] = {}
        self._left_out: set[str] = set()  # entries already logged
        # Failures by name and version.
        self._failures: Counter[tuple[str, str]] = Counter()
        self._log = structlog.get_logger("ingest")

    def watch_until(self, stop: Event) -> None:
        """Check and load until `stop` is set; wait out outages. Raise `BadInputFile` if the path cannot be read."""
        list_collection(self._path, self._settings)
        self._log.info("watching", path=self._path)
        while not stop.is_set():
            try:
                self.check_once()
            except (InfrastructureError, BadInputFile) as outage:
                self._log.warning("waiting", path=self._path, error=str(outage))
            stop.wait(CHECK_S)

    def check_once(self) -> None:
        """Load the new files that have not changed since the last check."""
        for one in list_left_out(self._path, self._settings):
            if one.name not in self._left_out:
                self._left_out.add(one.name)
                self._log_left_out(one)
        found = list_collection(self._path, self._settings)
        versions = {stored.name: stored.version for stored in found}
        unchanged = [stored for stored in found if self._seen.get(stored.name) == versions[stored.name]]
        self._seen = versions
        if new := self._select_new(unchanged):
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

    def _is_done(self, stored: Stored) -> bool:
        return self._done.get(stored.name) == self._seen[stored.name]

    def _load_all(self, new: Sequence[StoredObject]) -> None:
        """Load them together, in load order. If one fails, load each alone, so that it does not stop the others."""
        try:
            self._load_together(new)
        except InfrastructureError:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the others are loaded)
            self._log.exception("load_failed", path=self._path)
            for stored in new:
                self._load_alone(stored)

    def _load_together(self, new: Sequence[StoredObject]) -> None:
        loading = load_stored(
            self._url, new, self._load, self._record_done, self._log_left_out, reading=self._reading
        )
        for _ in loading:
            pass

    def _load_alone(self, stored: StoredObject) -> None:
        if self._is_done(stored):
            return
        try:
            self._load_together([stored])
        except InfrastructureError:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the others are loaded)
            attempt = (stored.name, self._seen[stored.name])
            self._failures[attempt] += 1
            self._log.exception("file_failed", name=stored.name, attempt=self._failures[attempt])
            if self._failures[attempt] >= _MAX_ATTEMPTS:
                self._record_done(stored)

    def _log_left_out(self, one: LeftOut) -> None:
        self._log.warning("left_out", name=one.name, reason=one.reason)

    def _record_done(self, loaded: Stored) -> None:
        version = self._seen[loaded.name]
        with connect(self._url, application_name="uptill-ingest") as conn:
            conn.execute(_SQL["record_watched"], {"name": stored_name(loaded.name), "version": version})
        self._done[loaded.name] = version

    @property
    def _url(self) -> str:
        return self._settings.database_url.get_secret_value()
