"""The use case: load files, time zones and hours before polls, and report the outcome of every row."""

from services.ingest.run.dry_run import plan_sources
from services.ingest.run.limits import Limits
from services.ingest.run.load_options import LoadOptions
from services.ingest.run.paths import ingest_paths, load_stored, plan_paths
from services.ingest.run.progress import LoadProgress
from services.ingest.run.source import ingest_source, load_source

__all__ = [
    "Limits",
    "LoadOptions",
    "LoadProgress",
    "ingest_paths",
    "ingest_source",
    "load_source",
    "load_stored",
    "plan_paths",
    "plan_sources",
]
