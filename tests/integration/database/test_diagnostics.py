"""Each diagnostic finds its case, and nothing in data without faults; and it costs little in a large fleet."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from shared.db.queries import queries
from shared.diagnostics.find import find_all, find_in_stores, warn_of_store
from shared.diagnostics.registry import DIAGNOSTICS, diagnostics_reference
from tests.fixtures.fleet import Store, load_fleet

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
WEEK = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
APIA = "Pacific/Apia"
Plant = Callable[[psycopg.Connection], object]


def insert(table: str, columns: str, *values: object) -> Plant:
    """Return a function that inserts a row for store-3."""
    marks = ", ".join(["%s"] * len(values))
    return lambda conn: conn.execute(
        f"insert into {table} (store_key, {columns}, since_seq) select store_key, {marks}, 1 from store"
        " where store_id = 'store-3'",
        values,
    )


def hours(*rows: tuple[int, int, int]) -> Plant:
    """Return a function that replaces the weekly hours of store-3."""

    def plant(conn: psycopg.Connection) -> None:
        of_store = "store_key = (select store_key from store where store_id = 'store-3')"
        conn.execute(f"delete from business_hours where {of_store}")
        for row in rows:
            conn.execute(
                "insert into business_hours select store_key, %s, %s, %s from store where store_id = 'store-3'",
                row,
            )

    return plant


def in_zone(zone: str, plant: Plant = lambda _: None) -> Plant:
    def set_zone(conn: psycopg.Connection) -> None:
        conn.execute("update store set timezone = %s where store_id = 'store-3'", [zone])
        plant(conn)

    return set_zone


def next_change_of_clocks() -> tuple[date, int]:
    """Return the date of the next skipped hour in New York, and the second at which it begins."""
    day = datetime.now(UTC).date()
    while True:
        day += timedelta(days=1)
        if day.month == 3 and day.weekday() == 6 and 8 <= day.day <= 14:
            return day, 2 * 3600


def only_at_night(hours_of_night: str = "(22, 23, 0, 1, 2, 3)") -> Plant:
    """Return a function that deletes the polls of store-3 in all other local hours."""
    return lambda conn: conn.execute(
        "delete from observation where store_key = (select store_key from store where store_id = 'store-3')"
        f" and extract(hour from observed_at at time zone 'Europe/Berlin') not in {hours_of_night}"
    )


def between_polls(conn: psycopg.Connection) -> None:
    """Give store-3 dated hours, from some minutes after a poll to some before the next."""
    each_day = [(hour * 3600 + 300, hour * 3600 + 3300) for hour in range(8)]
    rows = [number for day in range(7) for opening in each_day for number in (day, *opening)]
    insert("dated_hours", "effective_from, intervals", date(2024, 9, 1), rows)(conn)
    conn.execute("update ledger_head set adjusted_seq = 1")


SPRING, TWO = next_change_of_clocks()
CASES: Mapping[str, list[Plant]] = {
    "unknown_timezone": [in_zone("Mars/Olympus")],
    "damaged_hours": [
        insert("dated_hours", "effective_from, intervals", NOW.date(), [0, 3600]),
        insert("special_hours", "date, intervals", NOW.date(), [3600, None]),
    ],
    "overlapping_hours": [
        hours(*WEEK, (0, 21 * 3600, 23 * 3600)),
        hours(*WEEK, (6, 23 * 3600, 11 * 3600)),
        insert("dated_hours", "effective_from, intervals", date(2025, 3, 1), [0, 0, 7200, 0, 3600, 7300]),
        insert("special_hours", "date, intervals", NOW.date(), [0, 7200, 3600, 7300]),
    ],
    "short_span": [
        hours(*WEEK, (0, 23 * 3600, 23 * 3600 + 299)),
        hours(*WEEK, (6, 86_160, 0)),
        insert("special_hours", "date, intervals", NOW.date(), [36_000, 36_060]),
    ],
    "closed_weekday": [hours(*WEEK[:-1])],
    "skipped_local_time": [
        in_zone(APIA, insert("special_hours", "date, intervals", date(2011, 12, 30), [36_000, 50_000])),
        in_zone(APIA, insert("special_hours", "date, intervals", date(2011, 12, 30), [])),
        in_zone("America/New_York", insert("special_hours", "date, intervals", SPRING, [TWO + 60, 50_000])),
        in_zone("America/New_York", insert("special_hours", "date, intervals", SPRING, [0, TWO + 60])),
    ],
    "clock_change": [
        in_zone("America/New_York", hours(*WEEK[:-1], (6, TWO + 60, 50_000))),
        in_zone("America/New_York", hours(*WEEK[:-2], (5, 80_000, TWO + 60), WEEK[6])),
    ],
    "polls_after_closed": [insert("lifetime", "closed_at", NOW - timedelta(hours=1))],
    "polls_outside_hours": [only_at_night(), between_polls],
    "long_closure": [
        insert("closure", "id, treatment, reason, starts_at", "0" * 8 + "-0000-0000-0000-" + "0" * 12, "exclude", "x", NOW),
        insert("closure", "id, treatment, reason, starts_at, ends_at", "0" * 8 + "-0000-0000-0000-" + "0" * 12, "as_up", "x",
               NOW, NOW + timedelta(days=31)),
    ],
    "silent_since_hours_changed": [
        lambda conn: (
            insert("dated_hours", "effective_from, intervals", date(2024, 10, 10), [])(conn),
            conn.execute("delete from observation where observed_at > '2024-10-08' and store_key ="
                         " (select store_key from store where store_id = 'store-3')"),
        ),
    ],
    "labels_of_no_store": [
        lambda conn: conn.execute(
            """insert into calendar (name, labels, dates, since_seq) values ('x', '{"no": "store"}', '{}', 1)"""
        ),
        lambda conn: conn.execute(
            """insert into alert_rule (name, kind, labels, parameters, hold_open_minutes, delivery)
            values ('x', 'store_down', '{"no": "store"}', '{}', 10, '{}'), ('y', 'store_down', '{}', '{}', 10, '{}')"""
        ),
        lambda conn: conn.execute(
            """insert into service_level (name, profile, target, labels, period, policy, unknown, excluded, caps)
            values ('x', 'plain', 0.9, '{"no": "store"}', 'calendar_month', 'classic', 'left_out', 'left_out', '{}')"""
        ),
    ],
}  # fmt: skip


@pytest.fixture
def conn(database_url: str) -> psycopg.Connection:
    polls = [(NOW - timedelta(hours=hours), True) for hours in range(24 * 12)]
    stores = {f"store-{n}": Store(timezone="Europe/Berlin", hours=WEEK, polls=polls) for n in range(9)}
    load_fleet(database_url, stores)
    conn = psycopg.connect(database_url, autocommit=True)
    conn.execute("""update store set labels = '{"region": "north"}'""")
    return conn


def test_every_diagnostic_has_its_case() -> None:
    assert CASES.keys() == DIAGNOSTICS.keys()
    page = diagnostics_reference()
    assert all(f"| `{name}` | {one.severity} | " in page for name, one in DIAGNOSTICS.items())


def test_each_finds_its_cases_and_nothing_else(conn: psycopg.Connection) -> None:
    with conn:
        assert find_all(conn) == []
        for name, plants in CASES.items():
            for number, plant in enumerate(plants):
                with conn.transaction(force_rollback=True):
                    plant(conn)
                    found = {one.name: one for one in find_all(conn)}
                    near = name == "skipped_local_time" and number < 2
                    assert set(found) == (set() if near else {name}), (name, number)
                    if name == "labels_of_no_store":
                        assert [example[-2:] for example in found[name].examples] == [" x"]
                    if near or name == "labels_of_no_store":
                        continue
                    assert found[name].count == 1
                    assert found[name].examples[0].startswith("store-3"), (name, number)
                    assert DIAGNOSTICS[name].text in found[name].sentence


def test_polls_of_one_evening_are_no_sign_of_wrong_hours(conn: psycopg.Connection) -> None:
    with conn:
        only_at_night()(conn)
        conn.execute(
            "delete from observation where observed_at < %s and store_key ="
            " (select store_key from store where store_id = 'store-3')",
            [NOW - timedelta(hours=47)],
        )
        assert find_all(conn) == []


def test_a_store_that_is_closed_all_week_is_not_asked_for_its_hours(conn: psycopg.Connection) -> None:
    with conn:
        only_at_night()(conn)
        insert("lifetime", "opened_at", NOW + timedelta(days=9))(conn)
        conn.execute("update ledger_head set adjusted_seq = 1")
        assert find_all(conn) == []


def test_unknown_zones_name_their_first_stores_by_zone(conn: psycopg.Connection) -> None:
    with conn:
        for zone in ("Mars/Olympus", "", "Luna/Base"):
            conn.execute(
                "insert into store (store_id, timezone) select %s || ' ' || n, %s from generate_series(1, 3) n",
                [zone.lower() or "none", zone],
            )
        (found,) = find_all(conn)
    assert (found.name, found.count) == ("unknown_timezone", 9)
    luna = [f"luna/base {n} (Luna/Base)" for n in (1, 2)]
    assert found.examples == [*(f"none {n} ()" for n in (1, 2, 3)), *luna]


def test_zones_in_use_are_found_without_sorting_stores(conn: psycopg.Connection) -> None:
    with conn:
        plan = conn.execute(
            b"explain " + queries("diagnostics")["zones"], {"store_keys": None, "left_out": []}
        ).fetchall()
    assert "store_id" not in str(plan)
    assert "Sort" not in str(plan)


def test_to_name_all_stores_or_most_makes_no_difference(conn: psycopg.Connection) -> None:
    with conn:
        conn.execute("insert into store (store_id) select 'other-' || n from generate_series(1, 100) n")
        keys = [key for (key,) in conn.execute("select store_key from store").fetchall()]
        for plant in (plant for plants in CASES.values() for plant in plants):
            with conn.transaction(force_rollback=True):
                plant(conn)
                found = find_in_stores(conn, keys)
                conn.execute("insert into store (store_id) values ('unnamed')")
                assert find_in_stores(conn, keys) == found


def test_of_stores_that_are_not_named_nothing_is_found(conn: psycopg.Connection) -> None:
    """Whether these are few among many, or not."""
    with conn:
        added = conn.execute(
            "insert into store (store_id) select 'other-' || n from generate_series(1, 200) n returning store_key"
        )
        keys = [key for (key,) in added]
        for plant in (plant for plants in CASES.values() for plant in plants):
            with conn.transaction(force_rollback=True):
                plant(conn)
                assert find_in_stores(conn, keys) == find_in_stores(conn, keys[:1])


def test_one_store_is_warned_of_what_concerns_it(conn: psycopg.Connection) -> None:
    with conn:
        keys: dict[str, int] = dict(conn.execute("select store_id, store_key from store").fetchall())
        for name in CASES.keys() - {"labels_of_no_store"}:
            for number, plant in enumerate(CASES[name]):
                with conn.transaction(force_rollback=True):
                    plant(conn)
                    told = warn_of_store(conn, keys["store-3"])
                    one = DIAGNOSTICS[name]
                    expected = [] if one.severity == "notice" else [f"{one.text}: {one.fix}"]
                    assert told == expected, (name, number)
                    assert warn_of_store(conn, keys["store-4"]) == []
