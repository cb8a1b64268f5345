"""Loads one upload: its file, or the members of its archives in their order, each under an import of its own."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import psycopg

from services.ingest.http.attempts import Attempts
from services.ingest.http.spool import Spool
from services.ingest.http.turn import FIRST_TURN_S, TurnEnded, UploadTurn
from services.ingest.run import Limits, LoadOptions, ingest_source
from services.ingest.run import LoadProgress as Progress
from services.ingest.run.closing_right import ClosingRight
from services.ingest.run.delivery import plan_staging
from services.ingest.sources.files import FileSource
from services.ingest.sources.resolve import has_members as is_archive
from services.ingest.sources.resolve import resolve_sources as unpack
from services.ingest.sources.source import ResolvedSource, Source
from services.ingest.sources.unpacking_limits import MAX_MEMBERS
from services.ingest.sources.watched_source import WatchedSource
from services.ingest.write.archive_imports import finish_archive, queue_members
from services.ingest.write.archive_imports import list_open_members as open_members
from services.ingest.write.contradictions import StagedPart
from services.ingest.write.step import LOAD, Step
from shared.db.queries import queries

_SQL = queries("imports")
FINAL_STATES = frozenset({"succeeded", "stopped", "failed", "canceled"})
Connect = Callable[[], AbstractContextManager[psycopg.Connection]]
_Members = Sequence[tuple[ResolvedSource, UUID]]


@dataclass(frozen=True)
class UploadLoader:
    """`go_on` is called often, and raises when the service ends. `on_chunk` is called after each committed chunk.

    `others_wait` tells whether uploads of other keys than that of an upload are due.
    """

    connect: Connect
    spool: Spool
    limits: Limits
    attempts: Attempts
    go_on: Callable[[], None]
    on_chunk: Callable[[], None]
    others_wait: Callable[[UUID], bool]
    _lengths_s: dict[UUID, float] = field(default_factory=dict, init=False)  # of turns that came to nothing

    def read_state(self, import_id: UUID) -> tuple[str | None, bool]:
        """Return the state of an import, `queued` if it goes on, and whether any part of it used up its attempts."""
        with self.connect() as conn:
            row = conn.execute(_SQL["import_state"], {"id": import_id}).fetchone()
        return (row[0], row[1]) if row else (None, False)

    def load(self, import_id: UUID) -> bool:
        """Load the upload. Return False if it goes on in its next turn. Raise `UploadLost`."""
        length_s = self._lengths_s.pop(import_id, FIRST_TURN_S)
        turn = UploadTurn(length_s, partial(self.others_wait, import_id))
        try:
            if self._load_in(turn, import_id):
                return True
        except TurnEnded:
            self._lengths_s[import_id] = turn.next_length_s
        return False

    def _load_in(self, turn: UploadTurn, import_id: UUID) -> bool:
        """Load the upload. Return False if its turn ended between two members. Raise `TurnEnded` and `UploadLost`."""
        with self.attempts.attempt(import_id):
            files = self.spool.files(import_id, self.go_on)
            resolved = [unpack(FileSource(file.path, label=file.name)) for file in files]
            sources = [source for one in resolved for source in one.sources]
            left_out = [name for one in resolved for name in one.left_out]
            if len(files) == 1 and not is_archive(sources):
                self._load_source(turn, import_id, sources[0])
                return True
            if len(sources) > MAX_MEMBERS:
                self.attempts.fail(
                    import_id, "members", f"it holds more than {MAX_MEMBERS:,} files; split the upload"
                )
                return True
            with self.connect() as conn:
                members = queue_members(conn, import_id, sources, left_out)
                still_open = open_members(conn, import_id)
            self.attempts.progressed(import_id)
        if self.read_state(import_id)[0] in FINAL_STATES:
            return True
        return self._load_members(turn, import_id, members, still_open)

    def _load_members(
        self, turn: UploadTurn, import_id: UUID, members: _Members, still_open: frozenset[UUID]
    ) -> bool:
        """Load those that are still open, as long as the turn lasts. Return False if it ended."""
        staging = plan_staging([source for source, _ in members], import_id)
        steps = [*((*members[place], step) for place, step in staging), *((*one, None) for one in members)]
        for source, member_id, step in steps:
            if member_id not in still_open:
                continue
            if turn.is_over():
                return False
            with self.attempts.attempt(member_id):
                self._load_source(turn, member_id, source, step or self._complete_step(members))
        with self.attempts.attempt(import_id), self.connect() as conn:
            finish_archive(conn, import_id)
        return True

    def _complete_step(self, members: _Members) -> Step:
        """Return the step in which the rows of a file take effect, with what became of the other files."""
        with self.connect() as conn:
            found = conn.execute(_SQL["staged_members"], {"ids": [member_id for _, member_id in members]})
            beside = [StagedPart(*row) for row in found.fetchall()]
        return Step(held_by=self._find_refused(members), beside=beside)

    def _find_refused(self, members: _Members) -> Sequence[str]:
        """Return the files of the delivery that hold back all others but polls: they ended without being loaded."""
        ids = [member_id for source, member_id in members if source.kind != "polls"]
        with self.connect() as conn:
            return [name for (name,) in conn.execute(_SQL["refused_members"], {"ids": ids})]

    def _load_source(self, turn: UploadTurn, import_id: UUID, source: Source, step: Step = LOAD) -> None:
        self.go_on()
        begun = False

        def read_on() -> None:
            self.go_on()
            turn.end_if_over()

        def go_on(progress: Progress) -> None:
            nonlocal begun
            # Rows that take effect are not committed yet, and their transaction may hold the import's row.
            if not progress.rows_to_apply:
                turn.note_commit()
                if not begun:
                    begun = True
                    self.attempts.progressed(import_id)
                self.on_chunk()
            self.go_on()

        with self.connect() as conn:
            ((scopes,),) = conn.execute(_SQL["scopes_of_sender"], {"id": import_id}).fetchall()
            options = LoadOptions(self.limits, on_progress=go_on, closing=ClosingRight.of_scopes(scopes))
            ingest_source(conn, WatchedSource(source, read_on), import_id, step, options=options)
