"""API keys: rights, rotation, revocation within the promised time, and the audit log."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.errors import InvalidRequest, KeyNotFound, KeyReplaced
from shared.http.key_ring import REMEMBERED_S
from shared.keys import create_key, list_keys, prefix_of, revoke_key, rotate_key
from tests.fixtures.services import wait_until

SOMEWHERE = "/v1/reports/01890000-0000-7000-8000-000000000000"
PROMISED_S = 5.0


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def status(api: TestClient, key: str) -> int:
    """Return 404 if the key works (the report does not exist), 401 if it is refused."""
    return int(api.get(SOMEWHERE, headers={"Authorization": f"Bearer {key}"}).status_code)


def id_of(key: str) -> str:
    prefix = prefix_of(key)
    assert prefix is not None
    return prefix


def audited(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute("select actor, action, subject from audit order by id").fetchall()


def test_a_limited_key_is_for_reports_only(conn: psycopg.Connection) -> None:
    key = create_key(conn, name="owner", scopes=["reports:read"], store_labels={"owner": "anna"})
    assert list_keys(conn)[0].visible.labels == {"owner": "anna"}
    assert prefix_of(key) == list_keys(conn)[0].prefix
    for scope in ("ingest:write", "metrics:read", "admin"):
        with pytest.raises(InvalidRequest, match=scope):
            create_key(conn, name="owner", scopes=[scope], store_labels={"owner": "anna"})
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute("update api_key set scopes = %s where prefix = %s", [[scope], prefix_of(key)])
    for labels in ({}, {"no spaces": "x"}, {"owner": ""}):
        with pytest.raises(InvalidRequest):
            create_key(conn, name="owner", scopes=["reports:read"], store_labels=labels)


class TestRotation:
    def test_both_keys_work_until_the_overlap_ends(self, api: TestClient, conn: psycopg.Connection) -> None:
        old = create_key(conn, name="shop", scopes=["reports:read"], store_labels={"owner": "anna"})
        new = rotate_key(conn, id_of(old), overlap=timedelta(hours=1))
        assert (status(api, old), status(api, new)) == (404, 404)
        successor = next(key for key in list_keys(conn) if key.prefix == id_of(new))
        assert (successor.name, successor.scopes, successor.store_labels) == (
            "shop", ["reports:read"], {"owner": "anna"},
        )  # fmt: skip
        expiry = "update api_key set expires_at = expires_at - interval '1 hour' where prefix = %s"
        conn.execute(expiry, [id_of(old)])
        wait_until(lambda: status(api, old) == 401, "the end of the overlap")
        assert status(api, new) == 404

    def test_at_most_two_keys_of_a_line_work(self, conn: psycopg.Connection) -> None:
        first = create_key(conn, name="shop", scopes=["reports:read"])
        second = rotate_key(conn, id_of(first))
        with pytest.raises(KeyReplaced):
            rotate_key(conn, id_of(first))
        third = rotate_key(conn, id_of(second))
        live = {key.prefix for key in list_keys(conn) if key.revoked_at is None}
        assert live >= {id_of(second), id_of(third)}
        assert id_of(first) not in live

    def test_a_successor_keeps_the_expiry(self, conn: psycopg.Connection) -> None:
        expires = datetime.now(UTC) + timedelta(hours=2)
        first = create_key(conn, name="shop", scopes=["reports:read"], expires_at=expires)
        rotate_key(conn, id_of(first), overlap=timedelta(days=1))
        by_age = {key.prefix: key for key in list_keys(conn)}
        (second,) = [key for key in by_age.values() if key.prefix != id_of(first) and key.name == "shop"]
        assert by_age[id_of(first)].expires_at == expires, "an overlap prolongs nothing"
        assert second.expires_at is not None
        assert second.expires_at - second.created_at <= timedelta(hours=2)

    def test_only_live_keys_can_be_rotated(self, conn: psycopg.Connection) -> None:
        key = create_key(conn, name="shop", scopes=["reports:read"])
        assert revoke_key(conn, id_of(key))
        for prefix in (id_of(key), "unknown1"):
            with pytest.raises(KeyNotFound):
                rotate_key(conn, prefix)


class TestRemembering:
    def test_a_revocation_elsewhere_counts_within_the_promised_time(
        self, api: TestClient, conn: psycopg.Connection
    ) -> None:
        key = create_key(conn, name="shop", scopes=["reports:read"])
        assert status(api, key) == 404
        revoke_key(conn, id_of(key))  # by the command: the service is not told
        time.sleep(REMEMBERED_S)
        assert REMEMBERED_S < PROMISED_S
        assert status(api, key) == 401

    def test_a_known_prefix_with_a_wrong_secret_is_refused(
        self, api: TestClient, conn: psycopg.Connection
    ) -> None:
        key = create_key(conn, name="shop", scopes=["reports:read"])
        forged = key[:-1] + ("A" if key[-1] != "A" else "B")
        assert status(api, forged) == 401
        assert list_keys(conn)[0].last_used_at is None, "nobody used it"
        assert status(api, key) == 404
        assert status(api, forged) == 401
        assert list_keys(conn)[0].last_used_at is not None

    def test_a_new_key_works_although_its_prefix_was_tried_before(
        self, api: TestClient, conn: psycopg.Connection
    ) -> None:
        key = create_key(conn, name="shop", scopes=["reports:read"])
        conn.execute("update api_key set revoked_at = clock_timestamp() where prefix = %s", [id_of(key)])
        assert status(api, key) == 401
        conn.execute("update api_key set revoked_at = null where prefix = %s", [id_of(key)])
        wait_until(lambda: status(api, key) == 404, "the next look")

    def test_the_cache_of_keys_is_bounded(
        self, api: TestClient, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shared.http.key_ring.MOST_REMEMBERED", 5)
        key = create_key(conn, name="shop", scopes=["reports:read"])
        for n in range(20):
            assert status(api, f"upt_{n:08d}_{'x' * 43}") == 401
        assert status(api, key) == 404
        assert len(api.app.state.keys._unknown) == 5  # type: ignore[attr-defined]


class TestByHttp:
    def test_the_life_of_a_key(self, api: TestClient) -> None:
        made = api.post("/v1/keys", json={"name": "Anna", "store_labels": {"owner": "anna"}})
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        key, prefix = made.json()["key"], made.json()["prefix"]
        assert status(api, key) == 404
        shown = api.get("/v1/keys").json()["keys"][0]
        assert (shown["prefix"], shown["scopes"]) == (prefix, ["reports:read", "reports:write"])
        assert key not in api.get("/v1/keys").text
        new = api.post(f"/v1/keys/{prefix}/rotate", json={"overlap_s": 60}).json()["key"]
        assert (status(api, key), status(api, new)) == (404, 404)
        assert api.delete(f"/v1/keys/{prefix}").status_code == 204
        assert (status(api, key), status(api, new)) == (401, 404)
        assert api.delete(f"/v1/keys/{prefix}").status_code == 404
        assert api.post(f"/v1/keys/{prefix}/rotate").status_code == 404

    def test_invalid_terms_are_refused(self, api: TestClient) -> None:
        for body in (
            {"name": "x", "scopes": ["admim"]},
            {"name": "x", "scopes": ["admin"], "store_labels": {"owner": "anna"}},
            {"name": "x", "expires": "2030-01-01"},
            {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
            {"name": ""},
        ):
            assert api.post("/v1/keys", json=body).status_code == 422, body

    def test_only_administrators_manage_keys(self, api: TestClient, conn: psycopg.Connection) -> None:
        key = create_key(conn, name="x", scopes=["reports:read", "reports:write", "ingest:write"])
        headers = {"Authorization": f"Bearer {key}"}
        assert api.get("/v1/keys", headers=headers).status_code == 403
        assert api.post("/v1/keys", json={"name": "y"}, headers=headers).status_code == 403
        assert api.get("/v1/audit", headers=headers).status_code == 403


class TestAudit:
    def test_actions_are_recorded_and_use_once_a_day(self, api: TestClient, conn: psycopg.Connection) -> None:
        by_test = list_keys(conn)[0].prefix
        key = api.post("/v1/keys", json={"name": "Anna"}).json()["key"]
        for _ in range(3):
            api.app.state.keys.forget(id_of(key))  # type: ignore[attr-defined]
            conn.execute("update api_key set last_used_at = last_used_at - interval '2 minutes'")
            status(api, key)
        successor = api.post(f"/v1/keys/{id_of(key)}/rotate").json()["prefix"]
        api.delete(f"/v1/keys/{successor}")
        rows = [row for row in audited(conn) if row[2] in {id_of(key), successor}]
        assert rows == [
            (by_test, "key.created", id_of(key)),
            (id_of(key), "key.used", id_of(key)),
            (by_test, "key.rotated", id_of(key)),
            (by_test, "key.revoked", successor),
        ]

    def test_the_audit_is_paged(self, api: TestClient, conn: psycopg.Connection) -> None:
        keys = [create_key(conn, name=str(n), scopes=["reports:read"]) for n in range(5)]
        seen: list[str] = []
        query = "/v1/audit?limit=2&action=key.created&actor=command"
        following: str | None = ""
        while following is not None:
            page = api.get(query + (f"&cursor={following}" if following else "")).json()
            seen += [row["subject"] for row in page["entries"]]
            following = page["next"]
        assert seen[:5] == [id_of(key) for key in reversed(keys)]
        assert api.get("/v1/audit", params={"cursor": "x"}).status_code == 422
