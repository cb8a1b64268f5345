"""The checks of `uptill doctor`: each looks at one component, and says how to fix what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

import httpx2
import psycopg
from pydantic import SecretStr

from services.cli.reconcile_files import Damage, Discrepancies, reconcile
from shared.db.connect import connect, count_processes
from shared.db.migrate import pending_migrations
from shared.ids import new_id
from shared.queue import check_queue as refuse_unsafe_queue
from shared.queue_state import QueueProbe
from shared.setting_checks import show_address
from shared.settings import PREFIX, Settings
from shared.storage import BRIEF, make_storage
from shared.uploads import LONG_WAIT_S

_OLDEST_POSTGRES = 150_000
_TIMEOUT_S = 5.0
_MOST_UNREFERENCED_SHOWN = 20
# A full disk shows only when a file grows.
_WRITE_PAGES = "create temporary table doctor on commit drop as select repeat('x', 1000) as x from generate_series(1, 100)"
_TITLES = {"api": "the API", "ingest": "the ingest service"}
Check = Callable[[Settings], tuple[str, str] | tuple[str, str, Sequence[str]]]


def name_setting(settings: Settings, field: str) -> str:
    """Return the variable of an address and its host and port, without user and password."""
    value = getattr(settings, field)
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return f"{PREFIX}{field.upper()} ({show_address(text) if text else 'not set'})"


def check_database(settings: Settings) -> tuple[str, str]:
    """Check that Postgres answers, is new enough and can write."""
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        version = conn.info.server_version
        # This login may not create temporary tables.
        with suppress(psycopg.errors.InsufficientPrivilege):
            conn.execute(_WRITE_PAGES)
            conn.rollback()
    if version < _OLDEST_POSTGRES:
        return f"PostgreSQL {version // 10_000}", "Uptill needs PostgreSQL 15 to 18"
    return f"PostgreSQL {version // 10_000}", ""


def check_schema(settings: Settings) -> tuple[str, str]:
    """Check that no migration of this release is missing."""
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        pending = pending_migrations(conn)
    return (f"{len(pending)} migrations to apply", "run `uptill migrate`") if pending else ("up to date", "")


def check_queue(settings: Settings) -> tuple[str, str]:
    """Check that Redis accepts and keeps messages."""
    redis_url = settings.redis_url.get_secret_value()
    refuse_unsafe_queue(redis_url)
    with closing(QueueProbe(redis_url)) as probe:
        seen = probe.check_state()
    if not seen.takes_messages:
        what, _, to_do = seen.detail.partition(": ")
        return what, to_do or f"start it, or correct {name_setting(settings, 'redis_url')}"
    return "accepts and keeps messages", ""


def check_storage(settings: Settings) -> tuple[str, str]:
    """Check that signed links open, and others do not."""
    storage = make_storage(settings, BRIEF)
    storage.check()
    key = f"doctor/{new_id()}"
    storage.put(key, b"ok", "text/plain")
    try:
        url = storage.presign(key, file_name="ok.txt", content_type="text/plain", expires_s=60)
        with httpx2.Client(timeout=_TIMEOUT_S) as http:
            signed, unsigned = http.get(url), http.get(url.partition("?")[0])
    except httpx2.HTTPError as error:
        return (
            f"signed links do not open ({type(error).__name__}: {error})",
            f"correct {name_setting(settings, 's3_public_endpoint')}",
        )
    finally:
        storage.delete(key)
    if signed.content != b"ok":
        return (
            "signed links do not open",
            f"check {name_setting(settings, 's3_public_endpoint')}, and the clocks of both machines",
        )
    if unsigned.is_success:
        return "the bucket is public", "make it private: anyone can read the reports now"
    return "signed links open, unsigned links do not", ""


def check_api(settings: Settings) -> tuple[str, str]:
    """Check that the API answers at its address, and what it reports of its components."""
    return _check_service(settings, "api_url", "api")


def check_ingest(settings: Settings) -> tuple[str, str]:
    """Check the ingest service, if there is one."""
    try:
        return _check_service(settings, "ingest_url", "ingest")
    except (httpx2.HTTPError, ValueError, LookupError, TypeError, AttributeError):
        if "ingest_url" in settings.model_fields_set:
            raise
        return f"none at {settings.ingest_url}", ""  # files may all come by the command


def _check_service(settings: Settings, field: str, service: str) -> tuple[str, str]:
    """Ask a service who it is, and for its health. Raises httpx2's errors, and ValueError if this is not Uptill."""
    url = getattr(settings, field)
    with httpx2.Client(timeout=_TIMEOUT_S) as http:
        found: Any = http.get(f"{url}/version").json()["service"]
        health = http.get(f"{url}/readyz").json()
    if found != service:
        return (
            f"{url} is {_TITLES.get(found, found)}, not {_TITLES[service]}",
            f"correct {PREFIX}{field.upper()}: are the addresses of the API and the ingest service swapped?",
        )
    unwell = [f"{name}: {state}" for name, state in health["components"].items() if state != "ok"]
    words = health.get("status_words", "")
    state = f"{health['status']}; reads {words}" if words else health["status"]
    return state, f"{_TITLES[service]} reports {'; '.join(unwell)}" if unwell else ""


def check_key(settings: Settings) -> tuple[str, str]:
    """Check that the API accepts the key."""
    if not settings.api_key.get_secret_value():
        return (
            "UPTILL_API_KEY is not set",
            "create a key with `uptill keys create NAME` and set UPTILL_API_KEY",
        )
    with httpx2.Client(timeout=_TIMEOUT_S) as http:
        answer = http.get(
            f"{settings.api_url}/v1/reports/{new_id()}",
            headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
        )
    if answer.json()["type"] == "urn:uptill:error:report_not_found":
        return "accepted", ""
    return (
        f"refused by {settings.api_url} ({answer.status_code})",
        "create a key with `uptill keys create NAME` and set UPTILL_API_KEY",
    )


def check_workers(settings: Settings) -> tuple[str, str]:
    """Check that a worker has a session with the database."""
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        workers = count_processes(conn, "uptill-worker")
    return (f"{workers} running", "") if workers else ("none running", "start `python -m services.worker`")


def check_uploads(settings: Settings) -> tuple[str, str]:
    """Check that no upload waits for long."""
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        row = conn.execute("select id, waited_s from upload_wait order by waited_s desc limit 1").fetchone()
    if row is None:
        return "none waiting", ""
    import_id, waited_s = row
    state = f"the oldest has been waiting for {waited_s:,.0f} s"
    if waited_s <= LONG_WAIT_S:
        return state, ""
    return state, f"read the ingest service's log, or cancel the upload: DELETE /v1/imports/{import_id}"


def check_files(settings: Settings, *, deep: bool) -> tuple[str, str, Sequence[str]]:
    """Compare the reports with the bucket."""
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
