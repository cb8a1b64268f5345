"""`uptill doctor`: check every component from this machine, and say how to fix what is wrong."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated

import httpx2
import psycopg
import typer
from rich.text import Text

from services.cli import checks
from services.cli.checks import Check, name_setting
from services.cli.console import Json, fail, print_json, stdout, terminal_width
from services.cli.doctor_data import check_schedules, check_stores, check_tzdata
from services.cli.environment import settings_for_command
from services.cli.examine_data import examine_data
from services.cli.sealed_objects import check_sealed
from shared.errors import DatabaseFull, InfrastructureError, UptillError
from shared.exit_codes import ExitCode
from shared.explain import quote_cause
from shared.settings import Settings
from shared.telemetry import log_to_people

_MARGIN = 2


@dataclass(frozen=True)
class CheckedComponent:
    """What is checked. `setting` is the field of the settings with its address."""

    name: str
    check: Check
    setting: str


@dataclass(frozen=True)
class Finding:
    """The result of one check. `advice` is empty if the component is fine; `details` has one line per problem."""

    component: str
    ok: bool
    state: str
    advice: str = ""
    details: Sequence[str] = ()


_COMPONENTS = (
    CheckedComponent("database", checks.check_database, "database_url"),
    CheckedComponent("schema", checks.check_schema, "database_url"),
    CheckedComponent("queue", checks.check_queue, "redis_url"),
    CheckedComponent("object store", checks.check_storage, "s3_endpoint"),
    CheckedComponent("API", checks.check_api, "api_url"),
    CheckedComponent("API key", checks.check_key, "api_url"),
    CheckedComponent("workers", checks.check_workers, "database_url"),
    CheckedComponent("ingest", checks.check_ingest, "ingest_url"),
    CheckedComponent("uploads", checks.check_uploads, "database_url"),
    CheckedComponent("stores", check_stores, "database_url"),
    CheckedComponent("schedules", check_schedules, "database_url"),
    CheckedComponent("time zones", check_tzdata, "database_url"),
)


class Subject(StrEnum):
    """What `uptill doctor` looks at."""

    all = "all"
    data = "data"


def doctor(
    subject: Annotated[
        Subject,
        typer.Argument(
            metavar="[all|data]",
            help="all: every component. data: hours, dates, zones, lifetimes and closures of all stores.",
        ),
    ] = Subject.all,
    compare: Annotated[
        bool,
        typer.Option(
            "--reconcile",
            help="Also compare reports and sealed weeks with the bucket: find missing objects, wrong lengths, and objects of no report.",
        ),
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="With --reconcile: also read every object and verify its SHA-256.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every component, or the data of all stores.

    Checks the database and its schema, the queue, the object store, the API, the API key, the workers, the ingest
    service, the uploads, stores and schedules that failed, and whether all services work with one time zone database.
    Exits with status 1 if a check fails. `uptill doctor data` prints what all diagnostics find, and exits with status 1
    if one is an error.
    """
    if deep and not compare:
        fail("--deep works only with --reconcile: pass both", code=ExitCode.WRONG_USE)
    if compare and subject is Subject.data:
        fail("--reconcile compares files: pass it without data", code=ExitCode.WRONG_USE)
    log_to_people()
    if subject is Subject.data:
        examine_data(settings_for_command("database_url"), as_json=as_json)
        return
    settings = settings_for_command("database_url", "redis_url", "s3_bucket", "api_url")
    files = CheckedComponent("files", partial(checks.check_files, deep=deep), "s3_endpoint")
    weeks = CheckedComponent("sealed weeks", partial(check_sealed, deep=deep), "s3_endpoint")
    findings = [run_check(one, settings) for one in (*_COMPONENTS, *([files, weeks] if compare else []))]
    if as_json:
        print_json(findings)
    else:
        _show_checks(findings)
    failed = [finding.component for finding in findings if not finding.ok]
    if failed:
        fail(f"{len(failed)} of {len(findings)} checks failed: {', '.join(failed)}")


def run_check(component: CheckedComponent, settings: Settings) -> Finding:
    """Run one check. A check that cannot be made is a finding that names the setting, the address and the cause."""
    try:
        state, advice, *details = component.check(settings)
    except (
        UptillError,
        httpx2.HTTPError,
        psycopg.Error,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        state, advice = _explain_failure(error, name_setting(settings, component.setting))
        return Finding(component.name, ok=False, state=state, advice=advice)
    return Finding(component.name, not advice, state, advice, *details)


def _explain_failure(error: Exception, setting: str) -> tuple[str, str]:
    """Return what happened, in the server's own words, and what to do."""
    match error:
        case DatabaseFull():
            return str(error), f"free space on the disk of {setting}"
        case InfrastructureError():
            cause = quote_cause(error)
            return f"{error}: {cause}" if cause else str(error), f"start it, or correct {setting}"
        case UptillError():
            return str(error), f"check {setting}"
        case httpx2.HTTPError():
            return f"no answer ({type(error).__name__}: {error})", f"start it, or correct {setting}"
        case psycopg.Error():
            return " ".join(str(error).split()), f"check {setting}"
    return "something else answers there, not this service of Uptill", f"correct {setting}"


def _show_checks(findings: Sequence[Finding]) -> None:
    column = max(len(finding.component) for finding in findings) + _MARGIN
    for finding in findings:
        for line in _wrap(f"{finding.component:{column}}{finding.state}", column):
            stdout.print(Text(line, "green" if finding.ok else "red"), soft_wrap=True)
        if finding.advice:
            for line in _wrap(f"{'':{column}}to do: {finding.advice}", column):
                stdout.print(Text(line), soft_wrap=True)
    for finding in findings:
        for line in finding.details:
            # Not through rich, which would wrap object keys.
            print(line)


def _wrap(text: str, column: int) -> Iterator[str]:
    """Break a line at the terminal's width, never within a word such as an id or an address. In a pipe it stays whole."""
    width = terminal_width()
    if width is None:
        yield text.rstrip()
        return
    indent = " " * column
    yield from textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
