"""Channels over the API: set, list, remove, test; destinations go in and never come out."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from shared.channels.stored import MAX_CHANNELS
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.in_process import problem
from tests.fixtures.logins import with_login

TOKEN = "s3cr3t-t0ken"
CHANNELS: dict[str, dict[str, Any]] = {
    "mail": {"kind": "email", "to": [f"{TOKEN}@example.com", "boss@example.com"]},
    "hook": {"kind": "webhook", "url": f"https://hooks.example/{TOKEN}?key={TOKEN}"},
    "chat": {"kind": "chat", "url": f"slack://{TOKEN}/B/C"},
}


@pytest.fixture
def strict_api(settings: Settings) -> Iterator[TestClient]:
    with make_client(settings.model_copy(update={"webhook_allow_private": False})) as client:
        yield client


def make_client(settings: Settings) -> TestClient:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    return TestClient(create_app(with_login(settings, "uptill_api")), headers=headers)


def put(api: TestClient, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = api.put(f"/v1/channels/{name}", json=body or CHANNELS[name])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_destinations_are_masked_in_every_answer_and_in_the_audit_log(
    strict_api: TestClient, owner: psycopg.Connection
) -> None:
    secret = put(strict_api, "hook")["secret"]
    assert secret.startswith("whsec_")
    for name in ("mail", "chat"):
        assert put(strict_api, name)["secret"] is None
    answers = [strict_api.get(f"/v1/channels/{name}").text for name in CHANNELS]
    answers += [strict_api.get("/v1/channels").text, strict_api.post("/v1/channels/hook/test").text]
    answers += [strict_api.get("/v1/channels/hook/messages").text]
    answers += [f"{row}" for row in owner.execute("select * from audit").fetchall()]
    assert not any(hidden in answer for answer in answers for hidden in (TOKEN, secret))
    listed = {one["name"]: one["shown"] for one in strict_api.get("/v1/channels").json()["channels"]}
    assert listed == {
        "chat": "slack://…",
        "hook": "https://hooks.example/…",
        "mail": "s…@example.com, b…@example.com",
    }


def test_a_replaced_webhook_keeps_its_secret_and_another_kind_does_not(
    strict_api: TestClient, owner: psycopg.Connection
) -> None:
    def stored() -> Any:
        return owner.execute("select secret, destination from channel").fetchall()[0]

    secret = put(strict_api, "hook")["secret"]
    assert stored()[0] == secret
    changed = {"kind": "webhook", "url": "https://other.example/", "per_minute": 5}
    assert put(strict_api, "hook", changed)["secret"] is None
    assert stored() == (secret, {"url": "https://other.example/"})
    put(strict_api, "hook", CHANNELS["mail"])
    assert stored()[0] is None
    assert put(strict_api, "hook", changed)["secret"] not in (None, secret)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"kind": "email"}, "to"),
        ({"kind": "email", "to": [f"{TOKEN}@"]}, "to"),
        ({"kind": "email", "to": [f"{TOKEN}@b.test\r\nBcc: x@y.test"]}, "to"),
        ({"kind": "email", "to": ["a@b.test"] * 21}, "to"),
        ({"kind": "email", "to": [f"{TOKEN}@b.test", f"{TOKEN}@B.TEST"]}, "to[1]"),
        ({"kind": "email", "to": ["a@b.test"], "per_minute": True}, "per_minute"),
        ({"kind": "email", "to": ["a@b.test"], "attach": "no"}, "attach"),
        ({"kind": "email", "to": ["a@b.test"], "url": f"https://{TOKEN}.test"}, "url"),
        ({"kind": "webhook"}, "url"),
        ({"kind": "webhook", "url": f"http://{TOKEN}.test/"}, "url"),
        ({"kind": "webhook", "url": "https://10.0.0.1/"}, "url"),
        ({"kind": "webhook", "url": "https://hooks.example/", "to": ["a@b.test"]}, "to"),
        ({"kind": "chat", "url": f"json://{TOKEN}"}, "url"),
        ({"kind": "chat", "url": f"{TOKEN}"}, "url"),
        ({"kind": "chat", "url": f"file:///etc/{TOKEN}"}, "url"),
        ({"kind": "chat", "url": f"ntfys://ntfy.sh/{TOKEN}?verify=no"}, "url"),
        ({"kind": "chat", "url": f"workflows://h/{TOKEN}/s?template=/etc/passwd"}, "url"),
        ({"kind": "chat", "url": f"workflows://h/{TOKEN}/s?to=a&TEMPLATE=/etc/passwd"}, "url"),
        ({"kind": "chat", "url": f"slack://{TOKEN} slack://other"}, "url"),
        ({"kind": "chat", "url": "slack://" + "x" * 2048}, "url"),
        ({"kind": "email", "to": ["a@b.test"], "per_minute": 0}, "per_minute"),
    ],
)
def test_a_destination_that_may_not_be_is_refused_without_repeating_it(
    body: dict[str, Any], field: str, strict_api: TestClient, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = strict_api.put("/v1/channels/ops", json=body)
    assert answer.status_code == 422
    assert field in json.dumps(answer.json())
    assert TOKEN not in answer.text
    out, err = capfd.readouterr()
    assert TOKEN not in out + err


@pytest.mark.parametrize("name", ["Ops", "-x", "x" * 64, "a b"])
def test_a_malformed_name_is_refused(name: str, strict_api: TestClient) -> None:
    answer = strict_api.put(f"/v1/channels/{name}", json=CHANNELS["mail"])
    assert problem(answer, 422, "invalid_request")["field"] == "path.channel"


def test_unknown_channels_and_the_limit(strict_api: TestClient, owner: psycopg.Connection) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/messages")):
        problem(strict_api.request(method, f"/v1/channels/gone{path}"), 404, "channel_not_found")
    put(strict_api, "mail")
    owner.execute(
        "insert into channel (name, kind, destination, shown, per_minute, attach)"
        " select 'c' || n, 'chat', '{}', '', 1, false from generate_series(2, %s) n",
        [MAX_CHANNELS],
    )
    problem(strict_api.put("/v1/channels/more", json=CHANNELS["mail"]), 409, "limit_reached")
    put(strict_api, "mail")
    assert strict_api.delete("/v1/channels/mail").status_code == 204
    problem(strict_api.get("/v1/channels/mail"), 404, "channel_not_found")


def test_a_test_message_waits_for_the_scheduler(strict_api: TestClient) -> None:
    put(strict_api, "mail")
    answer = strict_api.post("/v1/channels/mail/test")
    assert answer.status_code == 202
    made = answer.json()
    assert (made["state"], made["events"], made["attempt"]) == ("pending", 1, 0)
    listed = strict_api.get("/v1/channels/mail/messages", params={"state": "pending"}).json()["messages"]
    assert listed == [made]


def test_schedules_name_channels_that_exist(strict_api: TestClient, settings: Settings) -> None:
    put(strict_api, "mail")
    body = {"name": "x", "cron": "0 6 * * *", "timezone": "UTC", "deliver": {"channels": ["mail"]}}
    made = strict_api.post("/v1/report-schedules", json=body)
    assert made.status_code == 201, made.text
    path = f"/v1/report-schedules/{made.json()['id']}"
    assert strict_api.get(path).json()["deliver"]["channels"] == ["mail"]
    assert strict_api.get("/v1/report-schedules").json()["schedules"][0]["deliver"]["channels"] == ["mail"]
    refused = strict_api.patch(path, json={"deliver": {"channels": ["gone"]}})
    assert problem(refused, 422, "invalid_request")["field"] == "body.deliver.channels"
    assert strict_api.patch(path, json={"deliver": {}}).json()["deliver"]["channels"] == []
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        key = create_key(conn, name="north", scopes=["reports:write"], store_labels={"region": "north"})
    limited = {"Authorization": f"Bearer {key}"}
    refused = strict_api.post("/v1/report-schedules", json=body, headers=limited)
    assert problem(refused, 422, "invalid_request")["field"] == "body.deliver.channels"
