"""What a report must say, from the files and calls that were delivered: rebuilt commit by commit, computed by the oracle.

Of the database it takes the ledger alone: which bytes of which file, or which call, each commit brought.
"""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import psycopg

from tests.chaos.soak.adjustments import DeliveredAdjustments, read_changes
from tests.chaos.soak.changes import EVERY_STORE
from tests.oracle.accounting import EPOCH, HoursRow, Poll
from tests.oracle.calendars import account_terms
from tests.oracle.outage_file import outages_file, reasons_file
from tests.oracle.outages import Outage, ReasonTime, outages, reason_times
from tests.oracle.report import WINDOWS, header, instant_us, poll_of, read_versions, row, rows_of

_MICROSECOND = timedelta(microseconds=1)
Sent = Sequence[Mapping[str, str]]  # polls of one instant, as they were sent


@dataclass(frozen=True)
class Commit:
    """One change of data, as the ledger has it."""

    seq: int
    kind: str
    source: str
    first_byte: int
    end_byte: int
    earliest: datetime | None
    latest: datetime | None


@dataclass(frozen=True)
class Finished:
    """A file of a succeeded report: what was asked, which stores are in it, which data it has read, and its object."""

    id: UUID
    as_of: datetime
    policy: str
    detail: bool
    data_cut: int
    read_cut: int
    exclude_reasons: Sequence[str]
    kind: str
    object: str
    size_bytes: int
    sha256: str


@dataclass
class _Store:
    """What is known of a store at some commit; `version` counts the changes. `reasons`: the last poll with one, by instant."""

    polls: dict[int, bool]
    reasons: dict[int, Poll]
    hours: Sequence[HoursRow] = ()
    zone: str | None = None
    polled_since: int = 0
    version: int = 0

    def told(self) -> list[Poll]:
        """Everything that was said about the polls that counts, in the order of delivery."""
        return [*self.reasons.values(), *(Poll(at_us, active) for at_us, active in self.polls.items())]


def read_commits(conn: psycopg.Connection) -> list[Commit]:
    """Without those that only took a number early: the rows count from a later commit of the same import on."""
    rows = conn.execute(
        "select commit_seq, kind, source, first_byte, end_byte, min_at, max_at"
        " from import_chunk this join import on import.id = import_id"
        " where kind = 'polls' or first_byte < end_byte or not exists ("
        "  select from import_chunk later where later.import_id = this.import_id and later.chunk_no > this.chunk_no)"
        " order by commit_seq"
    )
    return [Commit(*values) for values in rows]


class Truth:
    """The data at one commit, then at a later one: `advance` goes forward only.

    `sent`: the calls of the ingest service, and the messages of Kafka, by the source of their imports.
    """

    def __init__(
        self,
        commits: Sequence[Commit],
        sent: Mapping[str, Sequence[Sent]],
        adjustments: DeliveredAdjustments,
    ) -> None:
        self._commits = iter(commits)
        self._next = next(self._commits, None)
        self._sent = {
            source: [(instant_us(polls[0]["observed_at"]), polls) for polls in each]
            for source, each in sent.items()
        }
        self._adjustments = adjustments
        self._stores: dict[str, _Store] = defaultdict(lambda: _Store({}, {}))
        self._lines: dict[tuple[Any, ...], bytes] = {}
        self._outages: dict[tuple[Any, ...], dict[str, list[Outage]]] = {}

    @classmethod
    def of_records(cls, conn: psycopg.Connection, late: Sequence[Mapping[str, Any]]) -> Self:
        """Begin with what the clients wrote down and with the commits in the ledger."""
        sent = {
            source: [record["polls"] for record in late if record["what"] == what]
            for source, what in (("live", "called"), ("kafka:uptill", "produced"))
        }
        changes = [record for record in late if record["what"] == "changing"]
        dropped = {record["source"]: record["file"] for record in late if record["what"] == "dropped"}
        commits = [replace(one, source=dropped.get(one.source, one.source)) for one in read_commits(conn)]
        return cls(commits, sent, DeliveredAdjustments(read_changes(conn), changes))

    def advance(self, cut: int) -> None:
        """Bring in all that was committed up to this ledger number."""
        while self._next is not None and self._next.seq <= cut:
            self._bring(self._next)
            self._next = next(self._commits, None)

    def file(self, report: Finished) -> bytes:
        """The bytes of the file; the data must be at its `read_cut`."""
        polled = (
            store_id for store_id, store in self._stores.items() if 0 < store.polled_since <= report.data_cut
        )
        ids = sorted(polled, key=str.encode)
        if report.kind == "outages":
            return outages_file({each: (self._stores[each].zone, self._found(each, report)) for each in ids})
        if report.kind == "reasons":
            return reasons_file({each: self._reason_times(each, report) for each in ids})
        as_of_us = (report.as_of - EPOCH) // _MICROSECOND
        lines = (
            self._line(store_id, report)
            for store_id in ids
            if self._adjustments.exists(store_id, self._stores[store_id].zone, as_of_us)
        )
        return header(detail=report.detail) + b"".join(lines)

    def polls(self) -> dict[tuple[str, int], bool]:
        """Every poll, by store and instant."""
        return {
            (store_id, at_us): active
            for store_id, store in self._stores.items()
            for at_us, active in store.polls.items()
        }

    def _line(self, store_id: str, report: Finished) -> bytes:
        store = self._stores[store_id]
        as_of_us = (report.as_of - EPOCH) // _MICROSECOND
        key = (store_id, store.version, as_of_us, report.policy, report.detail, *report.exclude_reasons)
        if key not in self._lines:
            terms = self._adjustments.terms(store_id, store.hours)
            measured = account_terms(
                store.zone, terms, store.told(), as_of_us, report.policy, WINDOWS, report.exclude_reasons
            )
            found = self._found(store_id, report) if report.detail else None
            self._lines[key] = row(store_id, store.zone, measured, found)
        return self._lines[key]

    def _found(self, store_id: str, report: Finished) -> dict[str, list[Outage]]:
        store = self._stores[store_id]
        as_of_us = (report.as_of - EPOCH) // _MICROSECOND
        key = (store_id, store.version, as_of_us, report.policy, *report.exclude_reasons)
        if key not in self._outages:
            terms = self._adjustments.terms(store_id, store.hours)
            asked = store.zone, terms, store.told(), as_of_us, report.policy
            self._outages[key] = {
                name: outages(*asked, length, report.exclude_reasons) for name, length in WINDOWS.items()
            }
        return self._outages[key]

    def _reason_times(self, store_id: str, report: Finished) -> dict[str, list[ReasonTime]]:
        store = self._stores[store_id]
        as_of_us = (report.as_of - EPOCH) // _MICROSECOND
        terms = self._adjustments.terms(store_id, store.hours)
        asked = store.zone, terms, store.told(), as_of_us, report.policy
        return {
            name: reason_times(*asked, length, report.exclude_reasons) for name, length in WINDOWS.items()
        }

    def _bring(self, commit: Commit) -> None:
        if commit.source in self._sent:
            for store_id, poll in self._arrived(commit):
                self._poll(store_id, poll, commit.seq)
        elif commit.kind == "polls":
            for store_id, poll in _polls_of(Path(commit.source), commit.first_byte, commit.end_byte):
                self._poll(store_id, poll, commit.seq)
        elif not Path(commit.source).is_absolute():
            self._changed(self._adjustments.call(commit.seq))
        elif commit.first_byte == commit.end_byte:  # the other kinds take effect at the end of their file
            self._change_local(commit)

    def _changed(self, store_ids: Collection[str]) -> None:
        for store_id in self._stores if EVERY_STORE in store_ids else store_ids:
            self._stores[store_id].version += 1

    def _poll(self, store_id: str, poll: Poll, seq: int) -> None:
        store = self._stores[store_id]
        store.polled_since = store.polled_since or seq
        store.polls[poll.at_us] = poll.active
        if poll.reason:
            store.reasons[poll.at_us] = poll
        store.version += 1

    def _arrived(self, commit: Commit) -> Iterator[tuple[str, Poll]]:
        """The calls or messages of a commit. They are told apart by their instants."""
        if commit.earliest is None or commit.latest is None:
            return
        first_us, last_us = ((at - EPOCH) // _MICROSECOND for at in (commit.earliest, commit.latest))
        for at_us, polls in self._sent[commit.source]:
            if first_us <= at_us <= last_us:
                for poll in polls:
                    reason = poll.get("reason", "")
                    yield poll["store_id"], Poll(at_us, poll["status"] == "active", reason=reason)

    def _change_local(self, commit: Commit) -> None:
        file = Path(commit.source)
        if commit.kind == "hours":
            for (store_id, begins), hours in read_versions(file).items():
                if begins is None:
                    self._stores[store_id].hours = hours
                else:
                    self._adjustments.date_hours(store_id, begins, hours)
                self._stores[store_id].version += 1
        elif commit.kind == "special_hours":
            self._changed(self._adjustments.load_special_hours(file))
        elif commit.kind == "closures":
            self._changed(self._adjustments.load_closures(file))
        else:
            for line in rows_of(file):
                self._stores[line["store_id"]].zone = line["timezone_str"]
                self._stores[line["store_id"]].version += 1


def _polls_of(file: Path, first_byte: int, end_byte: int) -> Iterator[tuple[str, Poll]]:
    """The rows between two bytes of a file."""
    data = file.read_bytes()
    columns = data.partition(b"\n")[0].decode("utf-8-sig").strip().split(",")
    for line in csv.DictReader(data[first_byte:end_byte].decode().splitlines(), columns):
        yield line["store_id"], poll_of(line)
