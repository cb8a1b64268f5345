"""Hooks as resources: versions, secrets, dry runs, and documents that are refused."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.ingest.http.schemas_hook_signature import HookSignatureBody
from tests.integration.ingest.database import unchanged
from tests.integration.ingest.hooks import BY_TOKEN, MAPPING, TOKEN, counts, item, put, send
from tests.integration.ingest.service import ingest_service, problem


def test_secrets_are_shown_once_and_never_logged(
    hook_service: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    made = put(hook_service)["secret"]
    assert made.startswith("whsec_")
    assert put(hook_service, "given", signature=BY_TOKEN, secret=TOKEN)["secret"] is None
    shown = hook_service.get("/v1/hooks").text + hook_service.get("/v1/hooks/pos").text
    shown += hook_service.get("/v1/hooks/pos/versions").text
    send(hook_service, item(), {"X-Token": "wrong"}, name="given", status=401)
    assert hook_service.get("/v1/hooks/pos").json()["has_secret"] is True
    captured = capsys.readouterr()
    for text in (shown, captured.out, captured.err):
        assert made not in text
        assert TOKEN not in text


def test_each_change_is_a_version(hook_service: TestClient, database_url: str) -> None:
    assert put(hook_service)["version"] == 1
    assert put(hook_service)["version"] == 1
    assert put(hook_service, description="the till")["version"] == 2
    versions = hook_service.get("/v1/hooks/pos/versions").json()["versions"]
    assert [(one["version"], one["description"]) for one in versions] == [(2, "the till"), (1, "")]
    assert hook_service.delete("/v1/hooks/pos").status_code == 204
    problem(hook_service.get("/v1/hooks/pos"), 404, "hook_not_found")
    with psycopg.connect(database_url) as conn:
        actions = conn.execute("select action from audit where action like 'hook.%' order by id").fetchall()
    assert actions == [("hook.set",), ("hook.set",), ("hook.removed",)]


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        ({"scheme": "standard_webhooks", "header": None}, {"tolerance_s": 300}),
        ({"scheme": "api_key"}, {}),
        ({"scheme": "token", "header": "a"}, {"header": "a", "prefix": ""}),
        (
            {"scheme": "hmac", "header": "a"},
            {
                "header": "a", "prefix": "", "algorithm": "sha256", "encoding": "hex", "signed": "{body}",
                "timestamp_header": None, "id_header": None,
            },
        ),
    ],
)  # fmt: skip
def test_a_signature_is_shown_with_the_fields_that_its_scheme_reads(
    hook_service: TestClient, database_url: str, signature: dict[str, Any], shown: dict[str, Any]
) -> None:
    put(hook_service, signature=signature)
    wanted = {"scheme": signature["scheme"], **shown}
    (version,) = hook_service.get("/v1/hooks/pos/versions").json()["versions"]
    assert hook_service.get("/v1/hooks/pos").json()["signature"] == version["signature"] == wanted
    # What an answer shows can be sent again.
    assert put(hook_service, signature=wanted)["version"] == 1
    # The release before stored all fields.
    unread = {
        name: field.default for name, field in HookSignatureBody.model_fields.items() if name != "scheme"
    }
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "update hook_version set document = jsonb_set(document, '{signature}', %s)",
            [Jsonb(unread | wanted)],
        )
    assert hook_service.get("/v1/hooks/pos").json()["signature"] == wanted
    assert put(hook_service, signature=wanted)["version"] == 1


def test_a_dry_run_shows_polls_and_rejects_and_stores_nothing(
    hook_service: TestClient, database_url: str
) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    sample = [item(why="busy", until="2024-09-02T11:00:00Z"), item("x")]
    with unchanged(database_url):
        answer = hook_service.post(
            "/v1/hooks/nothing/dry-run", json={"sample": sample, "mapping": {**MAPPING, "each": ""}}
        )
        stored = hook_service.post("/v1/hooks/pos/dry-run", json={"sample": item()})
    body = answer.json()
    assert body["polls"] == [
        {
            "store_id": "a", "status": "inactive", "observed_at": "2024-09-02T10:00:00Z", "event": True,
            "reason": "busy", "until": "2024-09-02T11:00:00Z",
        }
    ]  # fmt: skip
    assert [(one["reason"], json.loads(one["item"])["store"]) for one in body["rejects"]] == [
        ("unknown_store", "x")
    ]
    assert len(stored.json()["polls"]) == 1
    problem(hook_service.post("/v1/hooks/nothing/dry-run", json={"sample": 1}), 404, "hook_not_found")


def test_a_dry_run_rejects_the_items_that_a_call_rejects(hook_service: TestClient) -> None:
    put(hook_service, mapping={**MAPPING, "each": ""}, signature=BY_TOKEN, secret=TOKEN)
    items = [item("x"), item("a\0b"), item("a", "later"), item("a"), item("a\ud800"), item(why="a\0")]
    deep = "[" * 300 + "]" * 300
    sample = f"{json.dumps(items)[:-1]},{{{json.dumps('at')}:1e400}},{deep}]"
    headers = {"Content-Type": "application/json"}
    tried = hook_service.post(
        "/v1/hooks/pos/dry-run", content=f'{{"sample":{sample}}}', headers=headers
    ).json()
    reasons = [
        "unknown_store", "control_character", "timestamp", "control_character", "unknown_reason", "status", "status"
    ]  # fmt: skip
    assert [one["reason"] for one in tried["rejects"]] == reasons
    assert [one["store_id"] for one in tried["polls"]] == ["a"]
    called = send(hook_service, sample.encode(), {"X-Token": TOKEN})
    assert counts(called) == (len(tried["polls"]), 0, 0, len(reasons), 0)
    (live,) = hook_service.get("/v1/imports").json()["imports"]
    kept = hook_service.get(f"/v1/imports/{live['id']}/rejects").text.splitlines()[1:]
    assert [line.split(",")[2] for line in kept] == reasons
    assert "1e400" in kept[5], "as it was sent"
    assert "1e400" in tried["rejects"][5]["item"]
    for body in ('{"a":1,"a":2}', "NaN"):
        problem(
            hook_service.post("/v1/hooks/pos/dry-run", content=f'{{"sample":{body}}}', headers=headers),
            422,
            "invalid_request",
        )
        send(hook_service, body.encode(), {"X-Token": TOKEN}, status=422)


def test_a_text_of_another_form_is_described(hook_service: TestClient) -> None:
    signature = {"scheme": "token", "header": "X Token"}
    body = problem(hook_service.put("/v1/hooks/pos", json={"signature": signature}), 422, "invalid_request")
    assert body["errors"][0]["message"].startswith("must be the name of a header: 1 to 100 letters, digits")
    assert body["errors"][0]["message"].endswith('not "X Token"')
    body = problem(
        hook_service.put("/v1/hooks/pos", json={"secret": "a secret with spaces"}), 422, "invalid_request"
    )
    assert body["errors"] == [
        {"field": "body.secret", "message": "must be printable ASCII characters without spaces"}
    ]


def test_a_dry_run_says_where_an_unknown_status_belongs(hook_service: TestClient) -> None:
    trial = {
        "sample": {"s": "a", "t": "2024-09-02T10:00:00Z", "x": "odd"},
        "mapping": {**MAPPING, "status": "/x"},
    }
    (reject,) = hook_service.post("/v1/hooks/pos/dry-run", json=trial).json()["rejects"]
    assert (reject["reason"], "add the word to statuses" in reject["message"]) == ("status", True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mapping": {"store_id": "/a", "status": "/b"}}, "body.mapping.observed_at"),
        ({"mapping": {**MAPPING, "store_id": "store"}}, "body.mapping.store_id"),
        ({"mapping": {**MAPPING, "store_id": 7}}, "body.mapping.store_id"),
        ({"mapping": {**MAPPING, "store_id": ["/a", 7]}}, "body.mapping.store_id"),
        ({"mapping": {**MAPPING, "until": []}}, "body.mapping.until"),
        ({"mapping": {**MAPPING, "only": {"here": ["x"]}}}, "body.mapping.only.here"),
        ({"mapping": {**MAPPING, "statuses": {"x" * 201: "active"}}}, f"body.mapping.statuses.{'x' * 201}"),
        ({"mapping": {**MAPPING, "reason": None}}, "body.mapping.reasons"),
        ({"mapping": {**MAPPING, "each": "events"}}, "body.mapping.each"),
        ({"mapping": {**MAPPING, "event": False}}, "body.mapping"),
        ({"mapping": {**MAPPING, "statuses": {"*": "active"}}}, "body.mapping"),
        ({"mapping": {**MAPPING, "reasons": {"A": "Not a word"}}}, "body.mapping.reasons.A"),
        ({"mapping": {**MAPPING, "reasons": {"A": "oven_broken"}}}, "body.mapping.reasons"),
        ({"mapping": {**MAPPING, "store_id": ["/a", "received"]}}, "body.mapping.store_id"),
        ({"signature": {"scheme": "hmac"}}, "body.signature"),
        ({"signature": {"scheme": "hmac", "header": "a", "signed": "{time}"}}, "body.signature"),
        ({"signature": {"scheme": "hmac", "header": "a", "timestamp_header": "b"}}, "body.signature"),
        ({"signature": {"scheme": "standard_webhooks", "algorithm": "sha512"}}, "body.signature.algorithm"),
        ({"signature": {**BY_TOKEN, "signed": "{body}{id}", "id_header": "a"}}, "body.signature.signed"),
        ({"signature": {**BY_TOKEN, "tolerance_s": 5}, "secret": TOKEN}, "body.signature.tolerance_s"),
        ({"signature": {"scheme": "api_key", "prefix": "x"}}, "body.signature.prefix"),
        ({"signature": {"scheme": "api_key", "prefix": ""}}, "body.signature.prefix"),
        ({"signature": {"scheme": "standard_webhooks", "encoding": "hex"}}, "body.signature.encoding"),
        (
            {"signature": {"scheme": "hmac", "header": "a", "timestamp_unit": "s"}},
            "body.signature.timestamp_unit",
        ),
        ({"signature": {"scheme": "hmac", "header": "a", "tolerance_s": 5}}, "body.signature.tolerance_s"),
        (
            {"signature": {"scheme": "hmac", "header": "a", "timestamp_unit": "ms"}},
            "body.signature.timestamp_unit",
        ),
        ({"preset": "nothing"}, "body.preset"),
        ({"secret": "short"}, "body.secret"),
        ({"secret": "not-a-standard-secret"}, "body.secret"),
        ({"signature": {"scheme": "api_key"}, "secret": TOKEN}, "body.secret"),
    ],
)
def test_a_document_that_cannot_work_is_refused(
    hook_service: TestClient, database_url: str, change: dict[str, Any], field: str
) -> None:
    given = {"mapping": MAPPING, "signature": {"scheme": "standard_webhooks"}} | change
    hook_service.get("/v1/hooks")  # the first use of a key is recorded
    with unchanged(database_url):
        body = problem(hook_service.put("/v1/hooks/pos", json=given), 422, "invalid_request")
    assert body["field"] == field
    assert str(change.get("secret")) not in json.dumps(body) or "secret" not in change


def test_only_administrators_see_and_set_hooks(database_url: str, tmp_path: Path) -> None:
    with ingest_service(database_url, tmp_path / "spool") as client:
        for call in (
            client.get("/v1/hooks"),
            client.put("/v1/hooks/a", json={}),
            client.get("/v1/hook-presets"),
        ):
            problem(call, 403, "forbidden")


def test_a_change_says_what_becomes_of_the_secret(hook_service: TestClient) -> None:
    path, standard = "/v1/hooks/pos", {"scheme": "standard_webhooks"}
    steps: list[tuple[dict[str, Any], str | None, str]] = [
        ({"scheme": "api_key"}, None, "none"),
        (standard, None, "added"),
        (standard, None, "kept"),
        (BY_TOKEN, None, "replaced"),
        (BY_TOKEN, TOKEN, "replaced"),
        (BY_TOKEN, TOKEN, "kept"),
        ({"scheme": "api_key"}, None, "removed"),
        (BY_TOKEN, TOKEN, "added"),
    ]
    for signature, secret, change in steps:
        body = {"mapping": MAPPING, "signature": signature, "secret": secret}
        planned = hook_service.put(path, params={"dry_run": True}, json=body).json()
        assert (planned["secret_change"], planned["secret"]) == (change, None)
        made = put(hook_service, signature=signature, secret=secret)
        assert made["secret_change"] == change
        assert bool(planned["previous_secret_until"]) == bool(made["previous_secret_until"])
    assert hook_service.get(path).json()["secret_change"] is None
