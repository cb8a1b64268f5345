"""`python -m services.ingest PATH…` is `uptill ingest`, for images that hold no more than this service."""

import typer

from services.ingest.command import ingest

typer.run(ingest)
