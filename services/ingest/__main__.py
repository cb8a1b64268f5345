"""`python -m services.ingest PATH…` is `uptill ingest`, for images with nothing but this service."""

import typer

from services.ingest.command import ingest
from shared.command import run_command

run_command(lambda: typer.run(ingest))
