"""`/v1/report-schedules` on the real API: life cycle, limits, refusals and audit."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.keys import create_key
from tests.fixtures.fleet import Store, load_fleet

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
PATH = "/v1/report-schedules"
BODY: dict[str, Any] = {"name": "weekdays", "cron": "30 6 * * 1-5", "timezone": "America/Chicago"}


@pytest.fixture(autouse=True)
def fleet(database_url: str) -> None:
    load_fleet(database_url, {"a": Store(polls=[(NOW, True)]), "b": Store(polls=[(NOW, True)])})
    with psycopg.connect(database_url) as conn:
        conn.execute("""update store set labels = '{"owner": "anna"}' where store_id = 'a'""")


def made(api: TestClient, **more: Any) -> dict[str, Any]:
    answer = api.post(PATH, json={**BODY, **more})
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 201, body
    assert answer.headers["Location"] == f"{PATH}/{body['id']}"
    return body


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["type"]) == (status, f"urn:uptill:error:{code}"), body
    return body


def local_time(instant: str) -> tuple[int, int, int]:
    local = datetime.fromisoformat(instant).astimezone(ZoneInfo("America/Chicago"))
    return local.isoweekday(), local.hour, local.minute


def test_the_life_of_a_schedule(api: TestClient, database_url: str, env: dict[str, str]) -> None:
    report = {"policy": "classic", "stores": {"ids": ["b", "a", "a"]}, "formats": ["xlsx"], "as_of": "due"}
    schedule = made(api, report=report, deliver={"s3_prefix": "finance/daily"})
    path = f"{PATH}/{schedule['id']}"
    assert schedule["report"] == {
        "policy": "classic",
        "detail": False,
        "files": ["report"],
        "stores": {"ids": ["a", "b"], "labels": None},
        "windows": ["last_hour", "last_day", "last_week"],
        "formats": ["csv", "xlsx"],
        "as_of": "due",
        "exclude_reasons": [],
    }
    assert schedule["deliver"] == {"webhook_url": None, "s3_prefix": "finance/daily", "channels": []}
    assert (schedule["state"], schedule["store_labels"], schedule["runs"]) == ("active", None, [])
    assert schedule["next_due"][0] == schedule["next_due_at"]
    assert len(set(schedule["next_due"])) == 5
    assert all(local_time(each)[0] <= 5 and local_time(each)[1:] == (6, 30) for each in schedule["next_due"])
    assert api.get(path).json() == schedule

    paused = api.patch(path, json={"state": "paused"}).json()
    assert (paused["state"], paused["next_due_at"], paused["next_due"]) == ("paused", None, [])
    resumed = api.patch(path, json={"state": "active", "cron": "0 7 * * *", "name": "daily"}).json()
    assert (resumed["name"], local_time(resumed["next_due_at"])[1:]) == ("daily", (7, 0))
    assert resumed["report"] == schedule["report"], "what is not named stays"
    changed = api.patch(path, json={"report": {"detail": True}, "deliver": {}}).json()
    assert (changed["report"]["detail"], changed["report"]["stores"]) == (True, None)
    assert changed["deliver"] == {"webhook_url": None, "s3_prefix": None, "channels": []}
    assert api.get(path).json() == changed

    assert api.delete(path).status_code == 204
    for answer in (api.get(path), api.delete(path), api.patch(path, json={})):
        problem(answer, 404, "schedule_not_found")
    with psycopg.connect(database_url) as conn:
        audited = conn.execute(
            "select actor, action, details from audit where subject = %s order by id", [schedule["id"]]
        ).fetchall()
    actor = env["UPTILL_API_KEY"].split("_")[1]
    assert audited == [
        (actor, "schedule.created", {"name": "weekdays"}),
        (actor, "schedule.changed", {"changed": ["state"]}),
        (actor, "schedule.changed", {"changed": ["cron", "name", "state"]}),
        (actor, "schedule.changed", {"changed": ["channels", "report", "s3_prefix", "webhook_url"]}),
        (actor, "schedule.deleted", {}),
    ]


def test_the_list_is_paged_newest_first(api: TestClient) -> None:
    ids = [made(api, name=f"number {number}")["id"] for number in range(5)]
    found, query = [], {"limit": "2"}
    while True:
        page = api.get(PATH, params=query).json()
        assert len(page["schedules"]) <= 2
        found += [one["id"] for one in page["schedules"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == ids[::-1]
    assert problem(api.get(PATH, params={"cursor": "x"}), 422, "invalid_request")["field"] == "query.cursor"


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"cron": "0 25 * * *"}, "body.cron", "Bad hour"),
        ({"cron": "0 0 30 2 *"}, "body.cron", "Bad day-of-month"),
        ({"cron": "* * * * * *"}, "body.cron", "five fields"),
        ({"timezone": "localtime"}, "body.timezone", "unknown time zone 'localtime'"),
        ({"timezone": "posix/America/Chicago"}, "body.timezone", "unknown time zone"),
        ({"timezone": "Chicago"}, "body.timezone", "unknown time zone 'Chicago': use an IANA name"),
        ({"timezone": "right/UTC"}, "body.timezone", "unknown time zone"),
        ({"deliver": {"s3_prefix": "../reports"}}, "body.deliver.s3_prefix", "no part may be"),
        ({"deliver": {"webhook_url": "http://example.com"}}, "body.deliver.webhook_url", "https://"),
        ({"deliver": {"webhook_url": "https://10.0.0.1/"}}, "body.deliver.webhook_url", "not public"),
        ({"report": {"stores": {"ids": ["a", "nobody"]}}}, "body.report.stores.ids", "'nobody'"),
        ({"report": {"stores": {"ids": ["a\0"]}}}, "body", "report.stores.ids.0 holds U+0000"),
        ({"report": {"as_of": "now"}}, "body.report.as_of", "body.report.as_of"),
        ({"report": {"policy": "kind"}}, "body.report.policy", "unknown policy"),
        ({"report": {"force": True}}, "body.report.force", "body.report.force"),
        ({"name": "a\0"}, "body", "name holds U+0000"),
        ({"until": "2030-01-01"}, "body.until", "body.until"),
    ],
)
def test_an_invalid_schedule_is_refused_with_the_reason(
    api: TestClient, change: dict[str, Any], field: str | None, told: str
) -> None:
    made(api)
    existing = api.get(PATH).json()["schedules"]
    for answer in (
        api.post(PATH, json={**BODY, **change}),
        api.patch(f"{PATH}/{existing[0]['id']}", json=change),
    ):
        refused = problem(answer, 422, "invalid_request")
        assert (refused.get("field"), told in refused["detail"]) == (field, True), refused
    assert api.get(PATH).json()["schedules"] == existing


def test_a_webhook_needs_the_secret_that_signs_it(api: TestClient) -> None:
    deliver = {"deliver": {"webhook_url": "https://receiver.test/hook"}}
    path = f"{PATH}/{made(api)['id']}"
    for answer in (api.post(PATH, json={**BODY, **deliver}), api.patch(path, json=deliver)):
        problem(answer, 409, "webhook_secret_missing")
    assert api.post("/v1/webhook-secret").status_code == 201
    assert api.patch(path, json=deliver).json()["deliver"]["webhook_url"] == "https://receiver.test/hook"
    assert made(api, **deliver)["deliver"]["s3_prefix"] is None


def test_a_key_has_at_most_a_hundred_schedules(api: TestClient) -> None:
    ids = [made(api)["id"] for _ in range(100)]
    assert "100" in problem(api.post(PATH, json=BODY), 409, "limit_reached")["detail"]
    assert api.delete(f"{PATH}/{ids[0]}").status_code == 204
    made(api)


def test_a_limited_key_creates_and_sees_schedules_of_its_stores(api: TestClient, database_url: str) -> None:
    scopes = ["reports:read", "reports:write"]
    with psycopg.connect(database_url) as conn:
        anna, ben = (
            {
                "Authorization": f"Bearer {create_key(conn, name=owner, scopes=scopes, store_labels={'owner': owner})}"
            }
            for owner in ("anna", "ben")
        )
    everyones = made(api)
    annas = api.post(PATH, json={**BODY, "report": {"stores": {"ids": ["a"]}}}, headers=anna).json()
    assert annas["store_labels"] == {"owner": "anna"}
    foreign = api.post(PATH, json={**BODY, "report": {"stores": {"ids": ["b"]}}}, headers=anna)
    assert "'b'" in problem(foreign, 422, "invalid_request")["detail"]
    path = f"{PATH}/{annas['id']}"
    problem(api.patch(path, json={"report": {"stores": {"ids": ["b"]}}}), 422, "invalid_request")
    for headers, seen in ((None, [annas["id"], everyones["id"]]), (anna, [annas["id"]]), (ben, [])):
        assert [one["id"] for one in api.get(PATH, headers=headers).json()["schedules"]] == seen
    for answer in (
        api.get(path, headers=ben),
        api.patch(path, json={"state": "paused"}, headers=ben),
        api.delete(path, headers=ben),
        api.get(f"{PATH}/{everyones['id']}", headers=anna),
        api.delete(f"{PATH}/{everyones['id']}", headers=anna),
    ):
        problem(answer, 404, "schedule_not_found")
    assert api.get(path, headers=anna).json() == annas


def test_what_an_owner_delivers_lies_below_a_prefix_of_the_owners_key(
    api: TestClient, database_url: str
) -> None:
    scopes = ["reports:read", "reports:write"]
    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="anna", scopes=scopes, store_labels={"owner": "anna"})
    anna, own = {"Authorization": f"Bearer {key}"}, f"keys/{key.split('_')[1]}"

    def delivered_below(prefix: str, headers: dict[str, str] | None = anna) -> str:
        answer = api.post(
            PATH, json={**BODY, "report": {}, "deliver": {"s3_prefix": prefix}}, headers=headers
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["deliver"]["s3_prefix"])

    assert delivered_below("finance/daily") == f"{own}/finance/daily"
    assert delivered_below(f"{own}/daily") == f"{own}/daily"  # as an answer shows it
    assert delivered_below("keys/zzzzzzzz") == f"{own}/keys/zzzzzzzz"
    assert delivered_below("finance", None) == "finance"
    for taken in ("keys", own, f"{own}/daily"):
        refused = api.post(PATH, json={**BODY, "report": {}, "deliver": {"s3_prefix": taken}})
        assert problem(refused, 422, "invalid_request")["field"] == "body.deliver.s3_prefix"
    schedule = api.post(PATH, json={**BODY, "report": {}}, headers=anna).json()
    path = f"{PATH}/{schedule['id']}"
    for headers in (anna, None):  # whoever changes it: it is the owner's
        changed = api.patch(path, json={"deliver": {"s3_prefix": "finance"}}, headers=headers).json()
        assert changed["deliver"]["s3_prefix"] == f"{own}/finance"
    problem(api.patch(path, json={"deliver": {"s3_prefix": "x" * 190}}, headers=anna), 422, "invalid_request")


def test_an_owners_schedule_of_the_release_before_goes_on_where_it_delivered(
    api: TestClient, database_url: str
) -> None:
    with psycopg.connect(database_url) as conn:
        key = create_key(
            conn, name="anna", scopes=["reports:read", "reports:write"], store_labels={"owner": "anna"}
        )
    anna = {"Authorization": f"Bearer {key}"}
    made_then = api.post(
        PATH, json={**BODY, "report": {}, "deliver": {"s3_prefix": "daily"}}, headers=anna
    ).json()
    with psycopg.connect(database_url) as conn:
        conn.execute("update report_schedule set s3_prefix = 'daily' where id = %s", [made_then["id"]])
    path = f"{PATH}/{made_then['id']}"
    renamed = api.patch(path, json={"name": "monthly"}, headers=anna).json()
    assert renamed["deliver"]["s3_prefix"] == "daily"
    kept = api.patch(path, json={"deliver": {"s3_prefix": "daily"}}, headers=anna).json()
    assert kept["deliver"]["s3_prefix"] == "daily"
