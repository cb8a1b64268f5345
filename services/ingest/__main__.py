"""`python -m services.ingest PATH…` is `uptill ingest`, for images with nothing but this service."""

import typer

from services.ingest.command import ingest

typer.run(ingest)
