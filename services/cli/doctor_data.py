"""Checks of `uptill doctor` on what the database holds: stores and schedules that failed, and time zone databases."""

from collections.abc import Sequence

import psycopg

from shared.db.connect import connect
from shared.settings import Settings

_MOST_SHOWN = 20
_TOO_OLD = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
_FAILED_STORES = "select store_id, min(detail), count(*) over () from newest_failed_store group by store_id order by store_id limit %s"
_FAILED_SCHEDULES = "select id, name, error, count(*) over () from report_schedule where state = 'failed' order by id limit %s"
_TZDATA = (
    "select version, string_agg(distinct service, ', ' order by service)"
    " from pg_stat_activity,"
    "   lateral (select substring(application_name from 'tzdata=([^ ]+)'), split_part(application_name, ' ', 1)) named (version, service)"
    " where datname = current_database() and starts_with(application_name, 'uptill-') and version is not null"
    " group by version order by version"
)


def check_stores(settings: Settings) -> tuple[str, str, Sequence[str]]:
    """Report the stores that the newest reports were made without."""
    found = _query(settings, _FAILED_STORES)
    if found is None:
        return _behind()
    if not found:
        return "none failed in the newest reports", "", ()
    lines = [f"store {store_id}: {detail}" for store_id, detail, _ in found]
    return (
        f"{found[0][-1]} failed in the newest reports",
        "correct the stores listed below",
        _cut(lines, found[0][-1]),
    )


def check_schedules(settings: Settings) -> tuple[str, str, Sequence[str]]:
    """Report the schedules that cannot be run."""
    found = _query(settings, _FAILED_SCHEDULES)
    if found is None:
        return _behind()
    if not found:
        return "none failed", "", ()
    lines = [f"schedule {schedule_id} ({name}): {error}" for schedule_id, name, error, _ in found]
    advice = "correct those listed below, then `uptill schedules resume ID`"
    return f"{found[0][-1]} failed", advice, _cut(lines, found[0][-1])


def check_tzdata(settings: Settings) -> tuple[str, str, Sequence[str]]:
    """Report whether all services work with one time zone database."""
    found = _query(settings, _TZDATA, limited=False)
    if not found:
        return "no service is connected", "", ()
    if len(found) == 1:
        return f"database {found[0][0]} everywhere", "", ()
    shown = "; ".join(f"{version} ({services})" for version, services in found)
    return f"different databases: {shown}", "run the same release of every service", ()


def _query(
    settings: Settings, statement: str, *, limited: bool = True
) -> Sequence[tuple[object, ...]] | None:
    """Return the rows, or None if the schema is older than the statement."""
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        try:
            return conn.execute(statement, [_MOST_SHOWN] if limited else None).fetchall()
        except _TOO_OLD:
            return None


def _behind() -> tuple[str, str, Sequence[str]]:
    return "not known", "run `uptill migrate`", ()


def _cut(lines: Sequence[str], total: object) -> Sequence[str]:
    more = int(str(total)) - len(lines)
    return [*lines, f"and {more} more"] if more > 0 else lines
