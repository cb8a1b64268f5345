"""Answer bodies for the files of a report: finished ones with links, and lost ones."""

from datetime import datetime

from pydantic import BaseModel, Field

from services.api.download_links import LinkSigner
from shared.reports.formats import FileFormat, FileKind
from shared.reports.model import Report


class FileBody(BaseModel):
    """A finished file with its download link."""

    name: str = Field(examples=["report.csv"])
    kind: FileKind = Field(
        description="What its rows are: stores (`report`), outages (`outages`), sums (`summary`), or levels and"
        " their stores (`service_levels`)."
    )
    format: FileFormat
    url: str = Field(description="A link that works without an API key until `expires_at`.")
    expires_at: datetime = Field(
        description="When the link ends: at least half of `UPTILL_PRESIGN_S` from now. Show the report again for a new link."
    )
    size_bytes: int
    sha256: str = Field(description="SHA-256 of the file, in hex.")
    rows: int = Field(
        description="Rows without the header: one per store that did not fail, one per outage, and so on."
    )


class LostFileBody(BaseModel):
    """A file that was removed from or changed in the object store."""

    name: str = Field(examples=["report.csv"])
    kind: FileKind
    format: FileFormat
    detail: str = Field(description="How to get the file back.")


def list_files(report: Report, signer: LinkSigner) -> list[FileBody]:
    """Return the files of a succeeded report with links, the report's CSV first."""
    if report.state != "succeeded":
        return []
    return [
        FileBody(
            name=file.name,
            kind=file.kind,
            format=file.format,
            url=link.url,
            expires_at=link.expires_at,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            rows=file.rows,
        )
        for file, link in ((file, signer.get_link(file)) for file in report.files)
    ]
