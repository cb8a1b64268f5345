"""`uptill doctor`: check every component from this machine, and say how to fix what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import httpx2
import psycopg
import typer
from rich.markup import escape
from rich.table import Column, Table

from services.cli.console import Json, fail, print_json, stdout
from services.cli.doctor_data import check_schedules, check_stores, check_tzdata
from services.cli.environment import settings_for_command
from services.cli.reconcile_files import Damage, Discrepancies, reconcile
from shared.db.connect import connect, count_processes
from shared.db.migrate import pending_migrations
from shared.errors import UptillError
from shared.exit_codes import ExitCode
from shared.ids import new_id
from shared.queue import check_queue
from shared.queue_state import QueueProbe
from shared.settings import Settings
from shared.storage import BRIEF, make_storage
from shared.uploads import LONG_WAIT_S

_OLDEST_POSTGRES = 150_000
_TIMEOUT_S = 5.0
_MOST_UNREFERENCED_SHOWN = 20
# A report's id and a comma: never cut, however narrow the terminal is.
_ADVICE_WIDTH = 37
_FIX_CONNECTION = "start it, or correct its UPTILL_* setting"
Check = Callable[[Settings], tuple[str, str] | tuple[str, str, Sequence[str]]]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `advice` is empty if the component is fine; `details` has one line per problem."""

    component: str
    ok: bool
    state: str
    advice: str = ""
    details: Sequence[str] = ()


def doctor(
    compare: Annotated[
        bool,
        typer.Option(
            "--reconcile",
            help="Also compare the reports with the bucket: find missing objects, wrong lengths, and objects of no report.",
        ),
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="With --reconcile: also read every object and verify its SHA-256.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every component and say what to fix.

    Checks the database and its schema, the queue, the object store, the API, the API key, the workers, the ingest
    service, the uploads, stores and schedules that failed, and whether all services work with one time zone database.
    Exits with status 1 if a check fails.
    """
    if deep and not compare:
        fail("--deep works only with --reconcile: pass both", code=ExitCode.WRONG_USE)
    settings = settings_for_command("database_url", "redis_url", "s3_bucket", "api_url")
    checks: dict[str, Check] = {
        "database": _check_database,
        "schema": _check_schema,
        "queue": _check_queue,
        "object store": _check_storage,
        "API": _check_api,
        "API key": _check_key,
        "workers": _check_workers,
        "ingest": _check_ingest,
        "uploads": _check_uploads,
        "stores": check_stores,
        "schedules": check_schedules,
        "time zones": check_tzdata,
    }
    if compare:
        checks["files"] = partial(_check_files, deep=deep)
    findings = [_run_check(component, check, settings) for component, check in checks.items()]
    if as_json:
        print_json(findings)
    else:
        _show_checks(findings)
    failed = [finding.component for finding in findings if not finding.ok]
    if failed:
        fail(f"{len(failed)} of {len(findings)} checks failed: {', '.join(failed)}")


def _show_checks(findings: Sequence[Finding]) -> None:
    table = Table("component", "state", Column("what to do", width=_ADVICE_WIDTH))
    for finding in findings:
        state = f"[{'green' if finding.ok else 'red'}]{escape(finding.state)}"
        table.add_row(finding.component, state, escape(finding.advice))
    stdout.print(table)
    for finding in findings:
        for line in finding.details:
            # Not through rich, which would wrap object keys.
            print(line)


def _run_check(component: str, check: Check, settings: Settings) -> Finding:
    try:
        state, advice, *details = check(settings)
    except UptillError as error:
        return Finding(component, ok=False, state=str(error), advice=_FIX_CONNECTION)
    except (psycopg.Error, httpx2.HTTPError) as error:
        return Finding(component, ok=False, state=type(error).__name__, advice=_FIX_CONNECTION)
    return Finding(component, not advice, state, advice, *details)


def _check_database(settings: Settings) -> tuple[str, str]:
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        version = conn.info.server_version
    if version < _OLDEST_POSTGRES:
        return f"PostgreSQL {version // 10_000}", "Uptill needs PostgreSQL 15 to 18"
    return f"PostgreSQL {version // 10_000}", ""


def _check_schema(settings: Settings) -> tuple[str, str]:
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        pending = pending_migrations(conn)
    return (f"{len(pending)} migrations to apply", "run `uptill migrate`") if pending else ("up to date", "")


def _check_queue(settings: Settings) -> tuple[str, str]:
    redis_url = settings.redis_url.get_secret_value()
    check_queue(redis_url)
    with closing(QueueProbe(redis_url)) as probe:
        seen = probe.check_state()
    if not seen.takes_messages:
        what, _, to_do = seen.detail.partition(": ")
        return what, to_do or "start it, or correct UPTILL_REDIS_URL"
    return "accepts and keeps messages", ""


def _check_storage(settings: Settings) -> tuple[str, str]:
    storage = make_storage(settings, BRIEF)
    storage.check()
    key = f"doctor/{new_id()}"
    storage.put(key, b"ok", "text/plain")
    try:
        url = storage.presign(key, file_name="ok.txt", content_type="text/plain", expires_s=60)
        with httpx2.Client(timeout=_TIMEOUT_S) as http:
            signed, unsigned = http.get(url), http.get(url.partition("?")[0])
    finally:
        storage.delete(key)
    if signed.content != b"ok":
        return "signed links do not open", "check UPTILL_S3_PUBLIC_ENDPOINT, and the clocks of both machines"
    if unsigned.is_success:
        return "the bucket is public", "make it private: anyone can read the reports now"
    return "signed links open, unsigned links do not", ""


def _check_api(settings: Settings) -> tuple[str, str]:
    with httpx2.Client(timeout=_TIMEOUT_S) as http:
        body = http.get(f"{settings.api_url}/readyz").json()
    unwell = [f"{name}: {state}" for name, state in body["components"].items() if state != "ok"]
    return body["status"], f"the API reports {'; '.join(unwell)}" if unwell else ""


def _check_ingest(settings: Settings) -> tuple[str, str]:
    try:
        with httpx2.Client(timeout=_TIMEOUT_S) as http:
            body = http.get(f"{settings.ingest_url}/readyz").json()
    except httpx2.HTTPError as error:
        if "ingest_url" in settings.model_fields_set:
            return type(error).__name__, "start it, or correct UPTILL_INGEST_URL"
        return f"none at {settings.ingest_url}", ""  # files may all come by the command
    unwell = [f"{name}: {state}" for name, state in body["components"].items() if state != "ok"]
    words = body.get("status_words", "")
    state = f"{body['status']}; reads {words}" if words else body["status"]
    return state, f"the ingest service reports {'; '.join(unwell)}" if unwell else ""


def _check_key(settings: Settings) -> tuple[str, str]:
    with httpx2.Client(timeout=_TIMEOUT_S) as http:
        answer = http.get(
            f"{settings.api_url}/v1/reports/{new_id()}",
            headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
        )
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return "accepted", ""
    return f"refused ({answer.status_code})", "create a key with `uptill keys create` and set UPTILL_API_KEY"


def _check_workers(settings: Settings) -> tuple[str, str]:
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        workers = count_processes(conn, "uptill-worker")
    return (f"{workers} running", "") if workers else ("none running", "start `python -m services.worker`")


def _check_uploads(settings: Settings) -> tuple[str, str]:
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        row = conn.execute("select id, waited_s from upload_wait order by waited_s desc limit 1").fetchone()
    if row is None:
        return "none waiting", ""
    import_id, waited_s = row
    state = f"the oldest has been waiting for {waited_s:,.0f} s"
    if waited_s <= LONG_WAIT_S:
        return state, ""
    return state, f"read the ingest service's log, or cancel the upload: DELETE /v1/imports/{import_id}"


def _check_files(settings: Settings, *, deep: bool) -> tuple[str, str, Sequence[str]]:
    with connect(
        settings.database_url.get_secret_value(), application_name="uptill-doctor", autocommit=True
    ) as conn:
        found = reconcile(conn, make_storage(settings), settings.report_ttl_s, deep=deep)
    reports = list(dict.fromkeys(damage.object.report_id for damage in found.files))
    state = f"{len(reports)} reports with damaged files, {len(found.unreferenced)} objects without a report"
    if found.left_parts:
        state += f", {len(found.left_parts)} parts of ended reports that the scheduler will remove"
    if deep:
        state += f", {found.read} objects read"
    advice = f"create these reports again: {', '.join(map(str, reports[:3]))}" if reports else ""
    return state, advice, list(_list_lines(found))


def _list_lines(found: Discrepancies) -> Iterator[str]:
    for damage in found.files:
        yield (
            f"{_name_errors(damage)}; to create it again, POST /v1/reports with the report's parameters,"
            f' "as_of": "{damage.object.as_of.isoformat()}" and "force": true'
        )
    for damage in found.parts:
        yield f"{_name_errors(damage)}; nothing to do: the batch is computed again when the report is finished"
    for key in found.unreferenced[:_MOST_UNREFERENCED_SHOWN]:
        yield f"no report: {key}; nothing to do: the janitor removes it when it is an hour old"
    if len(found.unreferenced) > _MOST_UNREFERENCED_SHOWN:
        yield f"no report: {len(found.unreferenced) - _MOST_UNREFERENCED_SHOWN} more objects"


def _name_errors(damage: Damage) -> str:
    return f"report {damage.object.report_id}, {damage.object.name}: {damage.detail}"
