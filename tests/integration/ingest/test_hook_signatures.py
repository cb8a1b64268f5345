"""Who may call a hook: signatures, tokens and API keys; and what a replay changes."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.http import write_hooks
from shared.webhooks.secret import new_secret
from tests.integration.ingest.database import observations, unchanged
from tests.integration.ingest.hooks import counts, item, put, send, signed


def test_what_is_not_signed_changes_nothing(hook_service: TestClient, database_url: str) -> None:
    secret = put(hook_service)["secret"]
    body = json.dumps(item()).encode()
    good = signed(secret, body)
    old = signed(secret, body, at=datetime.now(UTC) - timedelta(minutes=6))
    with unchanged(database_url):
        for headers in (
            {},
            {**good, "webhook-id": "another"},
            {**good, "webhook-timestamp": str(int(time.time()) + 1)},
            {**good, "webhook-signature": "v1,AAAA v2,x"},
            signed(new_secret(), body),
            old,
        ):
            found = send(hook_service, body, headers, status=401)
            assert found["type"].endswith("signature_invalid")
        assert "too far from now" in send(hook_service, body, old, status=401)["detail"]
        send(hook_service, body + b" ", good, status=401)
    assert counts(send(hook_service, body, good)) == (1, 0, 0, 0, 0)


def test_a_replay_changes_nothing_even_after_a_correction(
    hook_service: TestClient, database_url: str
) -> None:
    secret = put(hook_service)["secret"]
    first, second = (json.dumps(item(state=state)).encode() for state in ("OFFLINE", "ONLINE"))
    headers = signed(secret, first, "m1")
    send(hook_service, first, headers)
    assert counts(send(hook_service, second, signed(secret, second, "m2"))) == (0, 0, 1, 0, 0)
    with unchanged(database_url):
        found = send(hook_service, first, headers)
    assert (counts(found), found["replayed"]) == ((0, 0, 0, 0, 0), True)
    assert observations(database_url) == {("a", "2024-09-02 10:00:00.000000"): True}


def test_an_id_is_forgotten_after_its_time(
    hook_service: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_hooks, "FORGET_EVERY_S", -1.0)
    secret = put(hook_service)["secret"]
    body = json.dumps(item()).encode()
    send(hook_service, body, signed(secret, body))
    with psycopg.connect(database_url) as conn:
        conn.execute("update hook_message set forget_at = now() - interval '1 second'")
    assert counts(send(hook_service, body, signed(secret, body))) == (0, 1, 0, 0, 0)
    other = json.dumps(item("b")).encode()
    with psycopg.connect(database_url) as conn:
        conn.execute("update hook_message set forget_at = now() - interval '1 second'")
    send(hook_service, other, signed(secret, other, "m2"))
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from hook_message").fetchone() == (1,)


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_hmac_of_time_id_and_body(hook_service: TestClient, encoding: str) -> None:
    put(
        hook_service,
        secret="client-secret-0123456789",
        signature={
            "scheme": "hmac", "header": "X-Signature", "prefix": "sha256=", "encoding": encoding,
            "signed": "{id}.{timestamp}.{body}", "timestamp_header": "X-Time", "id_header": "X-Id",
        },
    )  # fmt: skip
    body = json.dumps(item()).encode()

    def headers(at: int, message: str = "1") -> dict[str, str]:
        digest = hmac.new(b"client-secret-0123456789", f"{message}.{at}.".encode() + body, hashlib.sha256)
        text = digest.hexdigest() if encoding == "hex" else base64.b64encode(digest.digest()).decode()
        return {"X-Signature": f"sha256={text}", "X-Time": str(at), "X-Id": message}

    now = int(time.time())
    assert counts(send(hook_service, body, headers(now))) == (1, 0, 0, 0, 0)
    assert send(hook_service, body, headers(now + 1))["replayed"] is True
    send(hook_service, body, headers(now - 400, "2"), status=401)
    send(hook_service, body, {**headers(now, "3"), "X-Id": "4"}, status=401)


def test_the_prefix_of_a_signature_may_have_a_space(hook_service: TestClient) -> None:
    secret, body = "client-secret-0123456789", json.dumps(item()).encode()
    signature = {"scheme": "hmac", "header": "X-Authorization", "prefix": "HMAC "}
    put(hook_service, secret=secret, signature=signature)
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for number, text in enumerate((f"HMAC {digest}", f"HMAC {digest.upper()}")):
        answer = send(hook_service, body, {"X-Authorization": text})
        assert counts(answer)[:2] == (1 - number, number)
    send(hook_service, body, {"X-Authorization": digest}, status=401)


def test_the_old_secret_is_valid_for_a_while(hook_service: TestClient) -> None:
    old = put(hook_service)["secret"]
    answer = hook_service.post("/v1/hooks/pos/secret", json={"overlap_s": 3600})
    new = answer.json()["secret"]
    assert answer.json()["previous_secret_until"] is not None
    for number, secret in enumerate((old, new)):
        body = json.dumps(item(at=f"2024-09-02T10:0{number}:00Z")).encode()
        send(hook_service, body, signed(secret, body, f"m{number}"))
    hook_service.post("/v1/hooks/pos/secret", json={"overlap_s": 0})
    body = json.dumps(item()).encode()
    send(hook_service, body, signed(new, body, "m9"), status=401)


def test_the_same_secret_again_ends_no_other(hook_service: TestClient) -> None:
    old = put(hook_service)["secret"]
    new = hook_service.post("/v1/hooks/pos/secret", json={}).json()["secret"]
    again = put(hook_service, secret=new)
    assert (again["version"], again["secret"]) == (1, None)
    for number, secret in enumerate((old, new)):
        body = json.dumps(item(at=f"2024-09-02T10:0{number}:00Z")).encode()
        send(hook_service, body, signed(secret, body, f"m{number}"))


def test_an_api_key_instead_of_a_signature(hook_service: TestClient) -> None:
    assert put(hook_service, signature={"scheme": "api_key"})["secret"] is None
    send(hook_service, item(), {}, status=401)
    answer = hook_service.post("/v1/hooks/pos", json=item())
    assert counts(answer.json()) == (1, 0, 0, 0, 0)
