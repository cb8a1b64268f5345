"""The services' answers as values. Fields that this release does not know are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How many stores of a report are computed."""

    stores_done: int
    stores_total: int


@dataclass(frozen=True)
class ReportFile:
    """A finished file. `url` works without a key until `expires_at`; get the report again for a new link.

    `kind` is "report" for a row per store, "outages" for a row per outage.
    """

    name: str
    format: str
    url: str
    expires_at: datetime
    size_bytes: int
    sha256: str
    rows: int
    kind: str = "report"


@dataclass(frozen=True)
class LostFile:
    """A file that was removed from or changed in the object store. `detail` says what to do."""

    name: str
    format: str
    detail: str
    kind: str = "report"


@dataclass(frozen=True)
class FailedStore:
    """A store that has no row in a report, because it could not be computed. `detail` says what to do."""

    store_id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class ReportStores:
    """How the stores of a report were chosen: by a number of ids, by labels, or both. None does not limit."""

    ids_given: int | None
    labels: Mapping[str, str] | None


@dataclass(frozen=True)
class ReportStatus:
    """A report. In a list, `files`, `lost_files` and `failed_stores` are empty.

    `failed_stores` holds the first 100 of the `stores_failed` stores that have no row, because they could not be computed.
    `revision_of` is the first report of a chain of revisions. `pinned_cut`: it was made with the data of that cut.
    """

    id: str
    state: str
    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    windows: Sequence[str]
    formats: Sequence[str]
    data_cut: int
    tzdata_version: str | None
    progress: Progress
    error: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    files: Sequence[ReportFile] = ()
    lost_files: Sequence[LostFile] = ()
    stores: ReportStores | None = None
    stores_failed: int = 0
    failed_stores: Sequence[FailedStore] = ()
    revision: int = 1
    revision_of: str | None = None
    pinned_cut: int | None = None
    requested_files: Sequence[str] = ("report",)

    @property
    def is_final(self) -> bool:
        """Whether the report has ended, so that waiting longer changes nothing."""
        return self.state not in ("queued", "running")

    def file(self, file_format: str = "csv", kind: str = "report") -> ReportFile:
        """Return the file of a kind in a format. Raises LookupError if there is none; the message says what to do."""
        for file in self.files:
            if (file.kind, file.format) == (kind, file_format):
                return file
        for lost in self.lost_files:
            if (lost.kind, lost.format) == (kind, file_format):
                raise LookupError(lost.detail)
        raise LookupError(
            f"report {self.id} ({self.state}) has no file {kind}.{file_format}: create a report with it"
        )


@dataclass(frozen=True)
class Store:
    """A store with its latest poll."""

    store_id: str
    timezone: str
    timezone_is_default: bool
    labels: Mapping[str, str]
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    last_status: str | None


@dataclass(frozen=True)
class Interval:
    """One opening interval in local time, such as `Interval(0, "10:00", "22:00")`. Day 0 is Monday."""

    day_of_week: int
    start_time_local: str
    end_time_local: str


@dataclass(frozen=True)
class StoreDetail(Store):
    """A store with its opening hours. Without hours it is open around the clock."""

    hours: Sequence[Interval]
    is_open_24x7: bool
    polls_last_day: int


@dataclass(frozen=True)
class TimelineSpan:
    """Opening time without a break, from `begin` to `end` (exclusive)."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class TimelinePoll:
    """A poll in a timeline. `counts` is false if the store was closed."""

    at: datetime
    status: str
    counts: bool


@dataclass(frozen=True)
class SegmentClosure:
    """The closure that decides a segment."""

    id: str
    reason: str


@dataclass(frozen=True)
class Segment:
    """Opening time in one state (up, down, unknown, excluded or as_up), with the rules that begin and end it."""

    begin: datetime
    end: datetime
    state: str
    begin_rule: str
    end_rule: str
    poll: datetime | None
    closure: SegmentClosure | None = None


@dataclass(frozen=True)
class Totals:
    """The figures of a window, in microseconds. `availability` is a share from 0 to 1, None if nothing is known."""

    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    up_min_us: int
    up_max_us: int
    polls: int
    availability: float | None
    excluded_us: int = 0


@dataclass(frozen=True)
class Timeline:
    """How the uptime of one store in one window comes about. `segments` cover `spans` and add up to `totals`."""

    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime
    begin: datetime
    end: datetime
    spans: Sequence[TimelineSpan]
    polls: Sequence[TimelinePoll]
    segments: Sequence[Segment]
    totals: Totals


@dataclass(frozen=True)
class Counts:
    """What happened to valid rows. Each row counts once."""

    accepted: int
    duplicate: int
    corrected: int


@dataclass(frozen=True)
class ImportCounts(Counts):
    """What happened to all rows of an import."""

    rows_read: int
    rejected: int


@dataclass(frozen=True)
class ImportProgress:
    """How much of a file has been read. The total is None if unknown."""

    bytes_done: int
    bytes_total: int | None


@dataclass(frozen=True)
class ImportStatus:
    """An import. `members` are the files of an archive."""

    id: str
    state: str
    kind: str | None
    source: str
    counts: ImportCounts
    same_as: str | None
    quality: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    members: Sequence["ImportStatus"] = ()
    parent_id: str | None = None
    progress: ImportProgress | None = None
    sha256: str | None = None
    started_at: datetime | None = None
    origin: str | None = None
    reading: Mapping[str, Any] | None = None

    @property
    def is_final(self) -> bool:
        """Whether the import has ended, so that waiting longer changes nothing."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True)
class PlannedReject:
    """A row that would be rejected."""

    line: int
    byte_offset: int
    reason: str
    raw: str


@dataclass(frozen=True)
class PlannedFile:
    """What loading one file would give. `quality` has `plan`: stores, new stores, first and last date."""

    source: str
    kind: str | None
    state: str
    counts: ImportCounts
    first_rejects: Sequence[PlannedReject]
    quality: Mapping[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not loaded. `line` counts from 1; `raw` is its text, `source` its file."""

    line: int
    byte_offset: int
    reason: str
    raw: str
    source: str


@dataclass(frozen=True)
class StoreChanged:
    """The result of changing one store. `warnings`: what to check.

    `import_id` is the import that records the change, or None after a dry run.
    """

    store_id: str
    import_id: str | None
    counts: Counts
    warnings: Sequence[str] = ()
