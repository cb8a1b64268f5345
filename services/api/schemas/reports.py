"""Answer bodies for one report and for the calls of the alias routes."""

from collections.abc import Collection
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.api.download_links import LinkSigner, how_to_rebuild
from services.api.schemas.failed_stores import FailedStoreBody
from services.api.schemas.report_files import FileBody, LostFileBody, list_files
from services.api.schemas.report_summary import ReportSummary
from shared.reports.model import FileOfReport, Report


class ReportBody(ReportSummary):
    """A report with links to its files."""

    files: list[FileBody] = Field(
        description="The finished files: those of the report first, each kind with its CSV first. Empty until the report has succeeded."
    )
    lost_files: list[LostFileBody] = Field(
        description="Files that are missing from the object store, or have another size there. They have no link. Normally empty."
    )
    failed_stores: list[FailedStoreBody] = Field(
        description="The first 100 of the stores that could not be computed, in the order of the file. Normally empty."
    )

    @classmethod
    def with_links(cls, report: Report, signer: LinkSigner, lost: Collection[FileOfReport]) -> "ReportBody":
        """Build the answer with a link to each file that is not lost."""
        lost_files = [
            LostFileBody(
                name=file.name, kind=file.kind, format=file.format, detail=how_to_rebuild(report, file)
            )
            for file in lost
        ]
        lost_names = {file.name for file in lost}
        files = [file for file in list_files(report, signer) if file.name not in lost_names]
        failed = [FailedStoreBody(**vars(store)) for store in report.failed_stores]
        return cls.of_report(report, files=files, lost_files=lost_files, failed_stores=failed)


class Triggered(BaseModel):
    """Answer of `/trigger_report`."""

    report_id: UUID = Field(description="Pass it to `/get_report`.")


class LegacyStatus(BaseModel):
    """Answer of `/get_report`."""

    status: Literal["Running", "Complete", "Error"] = Field(examples=["Complete"])
    download_url: str | None = Field(default=None, description="A link to the CSV, when `Complete`.")
    detail: str | None = Field(default=None, description="What went wrong, when `Error`.")
