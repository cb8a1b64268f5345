"""`uptill demo`: run the commands that a user would type, in a temporary folder."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.markup import escape

from services.cli.console import fail, say, stdout
from services.cli.demo_incident import show_incident
from services.local.ports import free_ports
from services.local.settings_file import read_settings
from shared.exit_codes import ExitCode
from shared.explain import name_os_error
from shared.settings import PREFIX
from uptill_client import ApiError, UptillClient

_HEAD_LINES = 6
# What `uptill up` prints.
_OUTPUT = "up.log"
# As long as the stack itself waits for its servers.
_START_WITHIN_S = 600
_STOP_WITHIN_S = 120
# A disk that is busy with other files can hold up the first commits for minutes.
_PATIENCE_S = 300.0
_RETRY_S = 5.0
_FACT_DAYS = 61  # the page shows 30 days beside the 30 before


def demo(
    stores: Annotated[int, typer.Option(help="Number of stores in the sample.")] = 3678,
    days: Annotated[int, typer.Option(help="Number of days of polls.")] = 45,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="On a terminal, leave the page running until Ctrl-C.")
    ] = False,
) -> None:
    """Run the main job once, from sample to report and alert.

    Then stops the stack and removes all files. If anything fails, the logs of the stack are kept. With --keep, it
    waits for Ctrl-C first, so that you can look at the page.
    """
    if keep and not sys.stdout.isatty():
        fail("--keep waits for Ctrl-C, so it needs a terminal: leave it out", code=ExitCode.WRONG_USE)
    with _make_folder() as folder:
        data, sample, output = folder / "stack", folder / "sample", folder / "report.csv"
        # Settings of another installation must not lead the demo to its database.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        # The receiver of the alert is on this machine.
        environment |= {f"{PREFIX}DATA": str(data), f"{PREFIX}WEBHOOK_ALLOW_PRIVATE": "true"}
        # People who look around ask about yesterday. A demo that ends by itself prints the same each time.
        end = ["--end", "now"] if keep else []
        _run_step(["sample", str(sample), "--stores", str(stores), "--days", str(days), *end], environment)
        # A fresh installation and the sample leave hundreds of megabytes to be written. The first commits of the
        # database would wait behind them, on a slow disk for longer than a call may take.
        os.sync()
        with run_stack(data, environment) as stack:
            _run_step(["ingest", str(sample)], environment)
            _run_step(["report", "-o", str(output)], environment)
            with output.open() as lines:
                stdout.print(escape("".join(islice(lines, _HEAD_LINES)).rstrip()), soft_wrap=True)
            as_of = _show_link(data)
            show_incident(read_settings(data / "env"), _PATIENCE_S)
            if keep:
                _run_step(_build_facts(as_of), environment)
                _keep_open(data, stack)
    stdout.print(
        "[green]Done. The stack is stopped and its files are removed.[/] Next: `uptill up`; see docs/quickstart.md."
    )


@contextmanager
def _make_folder() -> Iterator[Path]:
    """Yield a temporary folder. It is removed at the end; if the block raises, its logs are kept."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="uptill-demo-"))
    except OSError as error:
        fail(f"no temporary folder can be made (TMPDIR): {name_os_error(error)}")
    try:
        yield folder
    except BaseException:
        _keep_logs(folder)
        raise
    shutil.rmtree(folder)


def _keep_logs(folder: Path) -> None:
    """Remove everything but the logs of the stack and what it printed, and say where these are."""
    logs = folder / "stack" / "logs"
    if logs.is_dir():
        logs.rename(folder / "logs")
    kept = {folder / "logs", folder / _OUTPUT}
    for entry in folder.iterdir():
        if entry.is_dir() and entry not in kept:
            shutil.rmtree(entry, ignore_errors=True)
        elif entry not in kept:
            entry.unlink()
    if any(folder.iterdir()):
        say(f"The demo's data is removed. Its logs are kept in {folder}")
    else:
        folder.rmdir()


def _run_step(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a subcommand as its own process, as a user would; again if a server did not answer."""
    stdout.print(f"[bold]$ uptill {escape(shlex.join(arguments))}[/]", soft_wrap=True)
    began = time.monotonic()
    while True:
        ended = subprocess.run([*_find_command(), *arguments], env=dict(environment), check=False)
        if ended.returncode != ExitCode.NOT_REACHABLE or time.monotonic() - began > _PATIENCE_S:
            break
        say("A server did not answer in time, as on a slow disk. The demo tries this step again.")
        time.sleep(_RETRY_S)
    if ended.returncode != 0:
        fail(f"`uptill {arguments[0]}` failed with exit code {ended.returncode}; see its message above")
    stdout.print(f"[dim]{time.monotonic() - began:.1f} s[/]")


def _build_facts(as_of: datetime) -> list[str]:
    """Return the command that makes what the fleet's page shows."""
    first, last = (f"{as_of - timedelta(days=days):%Y-%m-%d}" for days in (_FACT_DAYS, 1))
    return ["facts", "build", "--from", first, "--to", last]


def _keep_open(data: Path, stack: "subprocess.Popen[bytes]") -> None:
    """Wait for Ctrl-C. The key is of this demo only, and ends with it."""
    settings = read_settings(data / "env")
    with suppress(KeyboardInterrupt):
        stdout.print(f"[bold green]Look around: {settings['UPTILL_API_URL']}/[/]", soft_wrap=True)
        stdout.print(f"Sign in with the key {settings['UPTILL_API_KEY']}", soft_wrap=True)
        stdout.print("Ctrl-C stops the demo and removes its files.")
        stack.wait()
        fail("the stack has stopped by itself")


def _show_link(data: Path) -> datetime:
    """Make the report again with warm caches, and open its link without a key. Return the instant of the report."""
    settings = read_settings(data / "env")
    stdout.print(
        f"[bold]The page is at {settings['UPTILL_API_URL']}/[/]; with --keep or `uptill up`, it stays there"
    )
    try:
        with UptillClient(
            settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"], patience_s=_PATIENCE_S
        ) as client:
            began = time.monotonic()
            status = client.finished(client.create_report(force=True).id)
            took_s = time.monotonic() - began
        url = status.file().url
        answer = httpx2.get(url)
    except (ApiError, httpx2.HTTPError) as error:
        fail(f"the second report failed: {error}")
    stdout.print(
        f"[bold]The same report over HTTP: link after {took_s:.2f} s[/]"
        f" (HTTP {answer.status_code}, {len(answer.content):,} bytes)"
    )
    print(url)
    if answer.status_code != httpx2.codes.OK:
        fail("the download link did not open")
    return status.as_of


@contextmanager
def run_stack(data: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `uptill up` while the block runs."""
    port, ingest_port = free_ports(2)
    arguments = ["up", "--data", str(data), "--port", str(port), "--ingest-port", str(ingest_port)]
    stdout.print(f"[bold]$ uptill {escape(shlex.join(arguments))} &[/]", soft_wrap=True)
    # A file, because nothing reads a pipe here, and a full pipe would block the stack.
    said = data.parent / _OUTPUT
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*_find_command(), *arguments], env=dict(environment), stdout=subprocess.DEVNULL, stderr=output
        )
    try:
        deadline = time.monotonic() + _START_WITHIN_S
        while not (data / "ready").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                late = f"it was not ready after {_START_WITHIN_S} s. " if process.poll() is None else ""
                fail(f"the stack did not start: {late}{said.read_text(errors='replace')}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            # Its keeper then stops the servers.
            process.kill()
            fail(f"the stack did not stop within {_STOP_WITHIN_S} s and was killed")


def _find_command() -> list[str]:
    return [sys.executable, "-m", "services.cli"]
