"""`uptill demo`: run the commands that a user would type, in a temporary folder."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.markup import escape

from services.cli.console import fail, stdout
from services.local.ports import free_ports
from shared.settings import load_settings
from uptill_client import UptillClient

_HEAD_LINES = 6
_START_WITHIN_S = 120
_STOP_WITHIN_S = 60


def demo(
    stores: Annotated[int, typer.Option(help="Number of stores in the sample.")] = 3678,
    days: Annotated[int, typer.Option(help="Number of days of polls.")] = 45,
) -> None:
    """Run the main job once: sample, stack, ingest, report, download.

    Then stops the stack and removes all files.
    """
    with tempfile.TemporaryDirectory(prefix="uptill-demo-") as folder:
        data, sample, output = Path(folder, "stack"), Path(folder, "sample"), Path(folder, "report.csv")
        _run_step(["sample", str(sample), "--stores", str(stores), "--days", str(days)])
        with _run_stack(data):
            environment = {**os.environ, "UPTILL_DATA": str(data)}
            _run_step(["ingest", str(sample)], environment)
            _run_step(["report", "-o", str(output)], environment)
            with output.open() as lines:
                stdout.print(escape("".join(islice(lines, _HEAD_LINES)).rstrip()), soft_wrap=True)
            _show_link(data)
    stdout.print(
        "[green]Done. The stack is stopped and its files are removed.[/] Next: `uptill up`; see docs/quickstart.md."
    )


def _run_step(arguments: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run a subcommand as its own process, as a user would."""
    stdout.print(f"[bold]$ uptill {escape(shlex.join(arguments))}[/]", soft_wrap=True)
    began = time.monotonic()
    if subprocess.run([*_find_command(), *arguments], env=environment, check=False).returncode != 0:
        fail(f"`uptill {arguments[0]}` failed; see its message above")
    stdout.print(f"[dim]{time.monotonic() - began:.1f} s[/]")


def _show_link(data: Path) -> None:
    """Make the report again with warm caches, and open its link without a key."""
    settings = load_settings(data / "env")
    with UptillClient(settings.api_url, settings.api_key.get_secret_value()) as client:
        began = time.monotonic()
        *_, status = client.follow(client.create_report(force=True).id)
        took_s = time.monotonic() - began
    url = status.file().url
    answer = httpx2.get(url)
    stdout.print(
        f"[bold]The same report over HTTP: link after {took_s:.2f} s[/]"
        f" (HTTP {answer.status_code}, {len(answer.content):,} bytes)"
    )
    print(url)
    if answer.status_code != httpx2.codes.OK:
        fail("the download link did not open")


@contextmanager
def _run_stack(data: Path) -> Iterator[None]:
    """Run `uptill up` while the block runs."""
    port, ingest_port = free_ports(2)
    arguments = ["up", "--data", str(data), "--port", str(port), "--ingest-port", str(ingest_port)]
    stdout.print(f"[bold]$ uptill {escape(shlex.join(arguments))} &[/]", soft_wrap=True)
    # A file, because nothing reads a pipe here, and a full pipe would block the stack.
    said = data.with_suffix(".said")
    with said.open("wb") as output:
        process = subprocess.Popen([*_find_command(), *arguments], stdout=subprocess.DEVNULL, stderr=output)
    try:
        deadline = time.monotonic() + _START_WITHIN_S
        while not (data / "ready").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                why = f"not ready after {_START_WITHIN_S} s" if process.poll() is None else said.read_text()
                fail(f"the stack did not start: {why}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_WITHIN_S)


def _find_command() -> list[str]:
    return [sys.executable, "-m", "services.cli"]
