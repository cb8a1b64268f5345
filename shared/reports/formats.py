"""The files of a report: their kinds and formats."""

from collections.abc import Mapping
from typing import Literal

FileFormat = Literal["csv", "json", "parquet", "xlsx", "pdf"]
# What a file has rows of: a store each, an outage each, a reason of a store each, a group of stores each, or a store of a
# service level each.
FileKind = Literal["report", "outages", "reasons", "summary", "service_levels"]
# In the order in which a report shows its files. The report itself is always there.
FILE_KINDS: tuple[FileKind, ...] = ("report", "outages", "reasons", "summary", "service_levels")
# The others are made from the parts of batches.
WITHOUT_PARTS: tuple[FileKind, ...] = ("service_levels",)
# In the order in which a report shows its files. CSV is always there, because the others are made from it. Only the
# report has a PDF, which prints the outages of stores on their pages.
CONTENT_TYPES: Mapping[FileFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
# The type of CSV objects in the bucket; links and deliveries name the real one. SeaweedFS compresses text and unpacks it
# for each reader, which takes 2 to 3 times the work.
STORED_CSV_TYPE = "binary/octet-stream"
# Rows of a sheet below its header.
MAX_XLSX_ROWS = 1_048_575


def file_name(file_format: FileFormat, kind: FileKind = "report") -> str:
    """Return the name of a report's file."""
    return f"{kind}.{file_format}"
