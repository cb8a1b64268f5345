"""What `uptill up` prints once everything runs."""

import os
from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from services.cli.console import stderr
from shared.settings import DEFAULT_DATA_DIR


def show_summary(directory: Path, settings: Mapping[str, str], took_s: float) -> None:
    """Print the addresses and folders of the stack, and what to type next."""
    table = Table.grid(padding=(0, 2))
    table.add_row("page", f"{settings['UPTILL_API_URL']}/ (sign in with UPTILL_API_KEY of the settings)")
    table.add_row("API", f"{settings['UPTILL_API_URL']}/docs")
    table.add_row("ingest", f"{settings['UPTILL_INGEST_URL']}/docs")
    table.add_row("settings", escape(str(_make_relative(directory / "env"))))
    table.add_row("logs", escape(str(_make_relative(directory / "logs"))))
    stderr.print(f"[bold green]Uptill is up[/] after {took_s:.1f} s. Press Ctrl-C to stop it.")
    stderr.print(table)
    stderr.print("Next, in another terminal:")
    if directory != DEFAULT_DATA_DIR.resolve():
        stderr.print(f"  export UPTILL_DATA={escape(str(directory))}", soft_wrap=True)
    stderr.print("  uptill sample sample-data && uptill ingest sample-data\n  uptill report -o report.csv")


def _make_relative(path: Path) -> Path:
    here = Path(os.curdir).resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path
