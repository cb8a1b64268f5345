"""The answer that describes a report. Fields that this release does not know are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from uptill_client.report_files import FailedStore, LostFile, ReportFile


@dataclass(frozen=True)
class Progress:
    """How many stores of a report are computed."""

    stores_done: int
    stores_total: int


@dataclass(frozen=True)
class ReportStores:
    """How the stores of a report were chosen: by a number of ids, by labels, or both. None does not limit."""

    ids_given: int | None
    labels: Mapping[str, str] | None


@dataclass(frozen=True)
class FactsOnlyDays:
    """The first and the last local date that a report took from daily facts whose polls are gone."""

    first: date
    last: date


@dataclass(frozen=True)
class ReportStatus:
    """A report. In a list, `files`, `lost_files` and `failed_stores` are empty.

    `failed_stores` holds the first 100 of the `stores_failed` stores that have no row, because they could not be computed.
    `revision_of` is the first report of a chain of revisions. `pinned_cut`: it was made with the data of that cut.
    `facts_only_days`: days whose polls are gone, so that their numbers are those of the daily facts.
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
    facts_only_days: FactsOnlyDays | None = None
    exclude_reasons: Sequence[str] = ()

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
