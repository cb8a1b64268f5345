"""Dry runs: the parameter that asks for one, and what an upload would change."""

from pathlib import Path
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel

from services.ingest.http.spooled_files import LIST, listed_files
from services.ingest.import_result import ImportResult
from services.ingest.parse.reading import Reading
from services.ingest.run import Limits, LoadOptions, plan_sources
from services.ingest.run.closing_right import ClosingRight
from services.ingest.sources.files import FileSource
from services.ingest.sources.resolve import resolve_sources
from shared.keys import ApiKey
from shared.settings import Settings

DryRun = Annotated[
    bool, Query(description="Answer what the call would change, with its warnings, and change nothing.")
]


def body_answer(body: BaseModel) -> Response:
    """Return the answer of a dry run whose call has no body otherwise."""
    return Response(body.model_dump_json(), media_type="application/json")


def plan_upload(settings: Settings, folder: Path, reading: Reading, key: ApiKey) -> list[ImportResult]:
    """Return what loading the files received with this key would give. Raise `DatabaseUnavailable`."""
    files = listed_files(folder, folder / LIST)
    sources = [
        source for file in files for source in resolve_sources(FileSource(file.path, label=file.name)).sources
    ]
    database_url = settings.database_url.get_secret_value()
    closing = ClosingRight.of_scopes(key.scopes)
    return plan_sources(
        database_url, sources, LoadOptions(Limits.from_settings(settings), reading, closing=closing)
    )
