"""Watches a folder or a prefix of an object store: every file is loaded once, as soon as it does not change any more.

What is done is remembered in the database, so a restart loads nothing again; another version of a file is a new one.
"""

from collections import Counter
from collections.abc import Sequence
from threading import Event

import structlog

from services.ingest.load_stored import Found, Load, load_stored
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.find import Stored, contents
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import BadInputFile, InfrastructureError
from shared.settings import Settings

_MAX_ATTEMPTS = 5  # at one version of a file that fails for no outage; then it is left until it changes
LOOK_S = 2.0  # what does not change in between is complete
_SQL = queries("watch")


class Watcher:
    """Remembers what a collection held at the last look, and what of it was done."""

    def __init__(self, path: str, settings: Settings, load: Load) -> None:
        self._path = path
        self._settings = settings
        self._load = load
        self._seen: dict[str, str] = {}
        self._done: dict[str, str] = {}
        self._failures: Counter[tuple[str, str]] = Counter()  # by name and version
        self._log = structlog.get_logger("ingest")

    def run(self, stop: Event) -> None:
        """Look and load until `stop` is set; waits for outages to end. Raises `BadInputFile` at the start."""
        log = self._log
        contents(self._path, self._settings)  # a path that cannot be read is said at the start
        log.info("watching", path=self._path)
        while not stop.is_set():
            try:
                self.look()
            except (InfrastructureError, BadInputFile) as outage:
                log.warning("waiting", path=self._path, error=str(outage))
            stop.wait(LOOK_S)

    def look(self) -> None:
        """Load what is new and was the same at the look before."""
        found = contents(self._path, self._settings)
        versions = {stored.name: stored.version for stored in found}
        same = [stored for stored in found if self._seen.get(stored.name) == versions[stored.name]]
        self._seen = versions
        if new := self._not_done(same):
            self._load_all(new)

    def _not_done(self, found: Sequence[Stored]) -> list[Stored]:
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

    def _is_done(self, stored: Found) -> bool:
        return self._done.get(stored.name) == self._seen[stored.name]

    def _load_all(self, new: Sequence[Stored]) -> None:
        """Load them in the order of their kinds; if one fails, each alone, so that it does not keep the others."""
        try:
            self._load_together(new)
        except InfrastructureError:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the others are loaded)
            self._log.exception("load_failed", path=self._path)
            for stored in new:
                self._load_alone(stored)

    def _load_together(self, new: Sequence[Stored]) -> None:
        for _ in load_stored(self._url, new, self._load, self._record):
            pass

    def _load_alone(self, stored: Stored) -> None:
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
                self._record(stored)

    def _record(self, loaded: Found) -> None:
        version = self._seen[loaded.name]
        with connect(self._url, application_name="uptill-ingest") as conn:
            conn.execute(_SQL["record_watched"], {"name": stored_name(loaded.name), "version": version})
        self._done[loaded.name] = version

    @property
    def _url(self) -> str:
        return self._settings.database_url.get_secret_value()
