"""A report that several keys requested: each cancel withdraws one key, and the last cancels the report."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from shared.keys import rotate_key
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.fixtures.two_keys import KeyHolder, two_keys

POLL = datetime(2024, 10, 14, 12, tzinfo=UTC)
Keys = tuple[KeyHolder, KeyHolder, KeyHolder]


@pytest.fixture
def keys(settings: Settings) -> Iterator[Keys]:
    load_fleet(
        settings.database_url.get_secret_value(),
        {f"store-{n}": Store(polls=[(POLL - timedelta(hours=n), True)]) for n in range(2)},
    )
    with two_keys(settings) as found:
        yield found


def actions(database_url: str, report_id: str) -> list[tuple[str, str]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(
            "select actor, action from audit where subject = %s order by id", [report_id]
        ).fetchall()


def test_a_report_is_canceled_when_the_last_key_withdraws(keys: Keys, database_url: str) -> None:
    one, other, _ = keys
    report_id = one.ask()
    assert other.ask() == report_id
    assert one.cancel(report_id) == "queued"
    assert one.cancel(report_id) == "queued"  # twice is the same as once
    assert other.state(report_id) == one.state(report_id) == "queued"
    assert other.cancel(report_id) == "canceled"
    assert other.cancel(report_id) == "canceled"
    assert [action for actor, action in actions(database_url, report_id) if actor == one.prefix] == [
        "report.created",
        "report.withdrawn",
        "report.withdrawn",
    ]


def test_a_key_that_joined_later_can_withdraw(keys: Keys) -> None:
    one, other, _ = keys
    report_id = one.ask()
    other.ask()
    assert other.cancel(report_id) == "queued"
    assert one.cancel(report_id) == "canceled"


def test_a_key_that_did_not_ask_for_it_changes_nothing(keys: Keys) -> None:
    one, other, _ = keys
    report_id = one.ask()
    assert other.cancel(report_id) == "queued"
    assert one.state(report_id) == "queued"


def test_an_administrator_cancels_it_for_all_keys(keys: Keys, database_url: str) -> None:
    one, other, admin = keys
    report_id = one.ask()
    other.ask()
    assert admin.cancel(report_id) == "canceled"
    assert (admin.prefix, "report.canceled") in actions(database_url, report_id)


def test_a_key_that_withdrew_can_request_it_again(keys: Keys) -> None:
    one, other, _ = keys
    report_id = one.ask()
    other.ask()
    one.cancel(report_id)
    assert one.ask() == report_id
    assert other.cancel(report_id) == "queued"
    assert one.state(report_id) == "queued"


def test_an_idempotency_key_never_returns_a_report_another_key_canceled(keys: Keys) -> None:
    one, other, admin = keys
    report_id = one.ask("mine")
    assert one.ask("mine") == report_id
    admin.cancel(report_id)
    renewed = one.ask("mine")
    assert renewed != report_id
    assert one.state(renewed) == "queued"
    assert one.ask("mine") == renewed
    joined = other.ask("theirs")
    assert joined == renewed
    admin.cancel(joined)
    assert other.ask("theirs") != joined


def test_an_idempotency_key_returns_a_report_its_own_key_canceled(keys: Keys) -> None:
    one, _, _ = keys
    report_id = one.ask("mine")
    assert one.cancel(report_id) == "canceled"
    assert one.ask("mine") == report_id
    assert one.ask("another") != report_id


def test_a_cancel_covers_all_requests_of_the_key(keys: Keys) -> None:
    """A cancel does not name a request, so neither Idempotency-Key returns the canceled report."""
    one, _, _ = keys
    report_id = one.ask("first")
    assert one.ask("second") == report_id
    assert one.cancel(report_id) == "canceled"
    renewed = one.ask("second")
    assert renewed != report_id
    assert one.ask("first") == renewed


def test_a_repeated_request_counts_as_a_new_request(keys: Keys) -> None:
    one, other, _ = keys
    report_id = one.ask("mine")
    other.ask()
    one.cancel(report_id)
    assert one.ask("mine") == report_id
    assert other.cancel(report_id) == "queued"


def test_the_successor_of_a_key_withdraws_for_it(keys: Keys, database_url: str) -> None:
    one, _, _ = keys
    report_id = one.ask()
    with psycopg.connect(database_url) as conn:
        successor = KeyHolder(one._client, rotate_key(conn, one.prefix))
    assert successor.cancel(report_id) == "canceled"


def test_only_keys_that_did_not_withdraw_get_the_webhook(keys: Keys, database_url: str) -> None:
    one, other, _ = keys
    for holder in (one, other):
        assert holder.post("/v1/webhook-secret").status_code == 201
    report_id = one.ask(webhook_url="https://one.example/hook")
    other.ask(webhook_url="https://other.example/hook")
    one.cancel(report_id)
    other.cancel(report_id)
    with psycopg.connect(database_url) as conn:
        told = conn.execute(
            "select w.url, d.event from webhook_delivery d join report_webhook w on w.id = d.subscription_id"
        ).fetchall()
    assert told == [("https://other.example/hook", "report.canceled")]


def test_a_report_of_the_release_before_is_canceled_by_its_creator_alone(
    keys: Keys, database_url: str
) -> None:
    one, other, _ = keys
    report_id = one.ask()
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from report_interest")  # it wrote none
    assert other.cancel(report_id) == "queued"
    assert one.cancel(report_id) == "canceled"


def test_an_ended_report_is_not_canceled(keys: Keys, database_url: str) -> None:
    one, _, admin = keys
    report_id = one.ask()
    with psycopg.connect(database_url) as conn:
        conn.execute("update report set state = 'failed' where id = %s", [report_id])
    for holder in (one, admin):
        problem(holder.delete(f"/v1/reports/{report_id}"), 409, "report_ended")


def test_a_key_that_retries_a_report_counts_as_requesting_it(keys: Keys, database_url: str) -> None:
    one, other, _ = keys
    report_id = one.ask()
    one.cancel(one.ask(force=True))  # something else
    with psycopg.connect(database_url) as conn:
        conn.execute("update report set state = 'failed' where id = %s", [report_id])
    assert other.post(f"/v1/reports/{report_id}/retry").status_code == 202
    assert one.cancel(report_id) == "queued"
    assert other.cancel(report_id) == "canceled"
