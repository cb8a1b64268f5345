"""What the services answer, as values. Fields that this release does not know are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far the work on a report is."""

    stores_done: int
    stores_total: int


@dataclass(frozen=True)
class ReportFile:
    """A finished file. `url` needs no key and is valid until `expires_at`; ask for the report again for another."""

    name: str
    format: str
    url: str
    expires_at: datetime
    size_bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class LostFile:
    """A file that is not in the object store as it was written; `detail` says what to do."""

    name: str
    format: str
    detail: str


@dataclass(frozen=True)
class StoresHeld:
    """The stores a report is limited to: how many ids were given, and the labels. None: not limited by it."""

    ids_given: int | None
    labels: Mapping[str, str] | None


@dataclass(frozen=True)
class ReportStatus:
    """A report as the API shows it. In a list it has no files, whatever its state."""

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
    stores: StoresHeld | None = None

    @property
    def is_final(self) -> bool:
        """Whether waiting longer is of no use."""
        return self.state not in ("queued", "running")

    def file(self, file_format: str = "csv") -> ReportFile:
        """The file of a format. Raises LookupError when there is none, with what to do where the object store has lost it."""
        for file in self.files:
            if file.format == file_format:
                return file
        for lost in self.lost_files:
            if lost.format == file_format:
                raise LookupError(lost.detail)
        raise LookupError(f"report {self.id} ({self.state}) has no file of format {file_format}")


@dataclass(frozen=True)
class Store:
    """A store as lists show it."""

    store_id: str
    timezone: str
    timezone_is_default: bool
    labels: Mapping[str, str]
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    last_status: str | None


@dataclass(frozen=True)
class Interval:
    """One opening in local time; day 0 is Monday."""

    day_of_week: int
    start_time_local: str
    end_time_local: str


@dataclass(frozen=True)
class StoreDetail(Store):
    """One store; without hours it is open around the clock."""

    hours: Sequence[Interval]
    is_open_24x7: bool
    polls_last_day: int


@dataclass(frozen=True)
class Span:
    """An unbroken stretch of open time."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class TimelinePoll:
    """A poll of a timeline; `counts` unless it was taken while the store was closed."""

    at: datetime
    status: str
    counts: bool


@dataclass(frozen=True)
class Segment:
    """Open time in one state, and why it begins and ends where it does."""

    begin: datetime
    end: datetime
    state: str
    begin_rule: str
    end_rule: str
    poll: datetime | None


@dataclass(frozen=True)
class Totals:
    """What a report says of the window, in microseconds."""

    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    up_min_us: int
    up_max_us: int
    polls: int
    availability: float | None


@dataclass(frozen=True)
class Timeline:
    """One store in one window, moment by moment."""

    store_id: str
    timezone: str
    timezone_is_default: bool
    policy: str
    policy_version: int
    tzdata_version: str
    as_of: datetime
    begin: datetime
    end: datetime
    spans: Sequence[Span]
    polls: Sequence[TimelinePoll]
    segments: Sequence[Segment]
    totals: Totals


@dataclass(frozen=True)
class Counts:
    """What became of rows that were valid."""

    accepted: int
    duplicate: int
    corrected: int


@dataclass(frozen=True)
class ImportCounts(Counts):
    """What became of every row."""

    rows_read: int
    rejected: int


@dataclass(frozen=True)
class ImportProgress:
    """How much of a file has been read; the total is None where it is not known."""

    bytes_done: int
    bytes_total: int | None


@dataclass(frozen=True)
class ImportStatus:
    """An import as the ingest service shows it."""

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

    @property
    def is_final(self) -> bool:
        """Whether waiting longer is of no use."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True)
class StoreChanged:
    """What a change of one store did, and the import it is recorded as."""

    store_id: str
    import_id: str
    counts: Counts
