"""Counts of rows in answers."""

from pydantic import BaseModel, Field


class CountsBody(BaseModel):
    """What happened to valid rows. Each row counts once."""

    accepted: int = Field(description="New rows.")
    duplicate: int = Field(description="Rows that were stored before and changed nothing.")
    corrected: int = Field(description="Rows that replaced a stored row with another value.")


class ImportCountsBody(CountsBody):
    """What happened to the rows of an import; for an archive, the sum over its members."""

    rows_read: int = Field(description="All data rows read so far.")
    rejected: int = Field(
        description="Invalid rows; `GET /v1/imports/{import_id}/rejects` lists the first 100,000 of them."
    )
