"""Settings: what the ingest service and `uptill ingest` accept."""

from pydantic import Field
from pydantic_settings import BaseSettings


class IngestSettings(BaseSettings):
    """What the ingest service and `uptill ingest` accept."""

    spool_dir: str = Field(
        default="",
        description="Folder where an ingest service keeps uploads until they are loaded. Default: `uptill-spool` in the temporary folder.",
    )
    spool_reserve_bytes: int = Field(
        default=1 << 30,
        ge=0,
        description="Bytes that uploads leave free on the spool's file system, in addition to three times the size of what waits in the spool. Otherwise an upload gets 507 `storage_full`.",
    )
    spool_max_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes that waiting uploads may take in the spool. Further uploads get 507 `storage_full`. 0: limited only by the file system.",
    )
    max_upload_bytes: int = Field(default=4 << 30, ge=1, description="Longest body of `POST /v1/imports`.")
    reject_limit: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of a chunk's rows above which rejected rows stop an import.",
    )
    allow_odd_ids: bool = Field(
        default=False,
        description="Accept store ids such as `8E5`, `12345.0` or `NULL`, which spreadsheets and programs write in place of an id. Otherwise they are rejected, in files and in HTTP calls.",
    )
    status_words: str = Field(
        default="",
        description="Words for the status of a poll, in addition to `active` and `inactive`: `online=active,offline=inactive`. Used for files, uploads and live polls. `--status` and `?status=` replace it.",
    )
    chunk_bytes: int = Field(
        # Measured: as fast as 8 and 16 MB, with 195 MB of memory instead of 250 and 340.
        default=4 << 20,
        ge=4096,
        description="Bytes of a file that ingest commits at once. Memory grows with it.",
    )
