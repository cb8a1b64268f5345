"""The views for SQL are as their page says, keep their columns, and are read with limits."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from services.worker.context import WorkerContext
from shared.db.logins import ensure_logins
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import login_url
from tests.integration.facts.test_facts_walk import build

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "reporting.md"
NOON = datetime(2024, 10, 14, 12, tzinfo=UTC)
# What tools rely on: columns may only be added, at the end.
PINNED: Mapping[str, Sequence[str]] = {
    "stores": ["store_id", "timezone", "labels", "first_polled_at"],
    "store_days": [
        *("policy", "store_id", "local_date", "scheduled_us", "excluded_us", "open_us", "up_us", "down_us"),
        *("unknown_us", "up_min_us", "up_max_us", "polls", "outages", "computed_seq"),
    ],
    "outages": ["policy", "store_id", "local_date", "outages", "down_us", "open_us"],
    "service_levels": [
        *(
            "name",
            "target",
            "labels",
            "period",
            "policy",
            "first_day",
            "last_day",
            "through",
            "as_of",
            "state",
        ),
        *("counted_us", "down_us", "days_missing", "evaluated_at"),
    ],
    "imports": [
        *("id", "kind", "origin", "state", "source", "size_bytes", "rows_read", "accepted", "duplicate"),
        *("corrected", "rejected", "started_at", "finished_at"),
    ],
    "reports": [
        *("id", "state", "policy", "policy_version", "windows", "formats", "detail", "as_of", "stores"),
        *("stores_failed", "revision", "revision_of", "created_at", "started_at", "finished_at"),
    ],
}
_COLUMNS = """
select relname, attname, format_type(atttypid, atttypmod), col_description(c.oid, attnum), obj_description(c.oid)
from pg_class c join pg_attribute on attrelid = c.oid
where relnamespace = 'reporting'::regnamespace and attnum > 0
order by relname, attnum"""


def test_the_page_lists_the_views_with_their_columns_types_and_meanings(database_url: str) -> None:
    found: dict[str, tuple[str, list[tuple[str, ...]]]] = {}
    with psycopg.connect(database_url) as conn:
        for view, *column, about in conn.execute(_COLUMNS):
            found.setdefault(view, (about, []))[1].append(tuple(column))
    written = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        about = section.splitlines()[2]
        rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
        written[section.splitlines()[0].strip("`").removeprefix("reporting.")] = (about, rows)
    assert written == found


def test_columns_are_only_added(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        for view, pinned in PINNED.items():
            columns = [row[1] for row in conn.execute(_COLUMNS) if row[0] == view]
            assert columns[: len(pinned)] == pinned, view


def test_a_reader_sees_days_and_nothing_of_keys(database_url: str, worker: WorkerContext) -> None:
    polls = [(NOON + timedelta(hours=n), n % 5 != 0) for n in range(-100, 100)]
    load_fleet(database_url, {"a": Store(polls, "Asia/Kathmandu"), "b": Store(polls)})
    build(database_url, worker, date(2024, 10, 12), date(2024, 10, 14))
    with psycopg.connect(login_url(database_url, "uptill_readonly")) as conn:
        days = conn.execute("select * from reporting.store_days order by store_id, local_date").fetchall()
        assert [row[1:3] for row in days] == [
            (store_id, date(2024, 10, day)) for store_id in "ab" for day in (12, 13, 14)
        ]
        assert all(row[5] == 86_400_000_000 == sum(row[6:9]) for row in days)
        outages = conn.execute("select store_id, local_date, outages from reporting.outages").fetchall()
        assert sorted(outages) == [(row[1], row[2], row[12]) for row in days if row[12]]
        assert outages
        assert conn.execute("select store_id, timezone from reporting.stores order by 1").fetchall() == [
            ("a", "Asia/Kathmandu"),
            ("b", None),
        ]
        # The job is not a report.
        assert conn.execute("select count(*) from reporting.reports").fetchone() == (0,)


def test_a_query_of_a_reader_ends_and_changes_nothing(database_url: str) -> None:
    with psycopg.connect(login_url(database_url, "uptill_readonly"), autocommit=True) as conn:
        shown = [
            conn.execute(f"show {name}".encode()).fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
        assert shown == [("30s",), ("1min",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("delete from reporting.stores")
        for role in ("uptill_api", "uptill_worker"):
            with psycopg.connect(login_url(database_url, role)) as other:
                assert other.execute("show statement_timeout").fetchone() == ("0",)


def test_a_limit_that_an_operator_has_set_stays(database_url: str) -> None:
    name = f"reader_{token_hex(4)}"
    parts = urlsplit(database_url)
    url = parts._replace(netloc=f"{name}:{token_hex(8)}@{parts.netloc.rpartition('@')[2]}").geturl()
    with psycopg.connect(database_url, autocommit=True) as conn:
        try:
            ensure_logins(database_url, {"uptill_readonly": url})
            conn.execute(sql.SQL("alter role {} set statement_timeout = '90s'").format(sql.Identifier(name)))
            ensure_logins(database_url, {"uptill_readonly": url})
            with psycopg.connect(url) as reader:
                assert reader.execute("show statement_timeout").fetchone() == ("90s",)
        finally:
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_other_roles_cannot_read_the_views(database_url: str) -> None:
    with (
        psycopg.connect(login_url(database_url, "uptill_api")) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute("select from reporting.stores")
