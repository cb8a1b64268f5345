"""The role `uptill_ingest` suffices for the ingest service, and every route declares who may call it."""

from pathlib import Path

from fastapi.routing import APIRoute, iter_route_contexts

from services.ingest.http.main import create_app
from shared.http.auth import RequireScope, public
from shared.settings import Settings
from tests.architecture.test_routes import calls
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ended, ingest_service


def test_the_role_is_enough(database_url: str, tmp_path: Path) -> None:
    poll = {"store_id": "a", "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
    polls = b"store_id,status,timestamp_utc\nb,active,2024-08-02 00:00:00 UTC\nb,x,2024-08-02 00:00:00 UTC\nb,active,2024-08-03 00:00:00 UTC\n"
    with ingest_service(database_url, tmp_path / "spool") as service:
        assert service.post("/v1/observations", json={"observations": [poll]}).status_code == 200
        shown = ended(service, service.post("/v1/imports", content=polls))
        assert (shown["state"], shown["counts"]["accepted"]) == ("succeeded", 2)
        zones = b"store_id,timezone_str\nb,America/Denver\n"
        assert ended(service, service.post("/v1/imports", content=zones))["state"] == "succeeded"
        assert service.put("/v1/stores/a/hours", json={"hours": []}).status_code == 200
        assert service.put("/v1/stores/a/timezone", json={"timezone": "UTC"}).status_code == 200
    check_ledger(database_url)


def test_every_route_declares_its_scope_or_is_public_on_purpose() -> None:
    app = create_app(Settings.model_validate({"database_url": "postgresql://nowhere"}))
    routes = [
        context for context in iter_route_contexts(app.routes) if isinstance(context.original_route, APIRoute)
    ]
    assert len(routes) >= 10
    for route in routes:
        called = list(calls(route.dependant))
        scopes = [scope for call in called if isinstance(call, RequireScope) for scope in call.scopes]
        assert (scopes, public in called) in [
            (["ingest:write"], False),
            (["closures:write"], False),
            (["reports:read", "closures:write"], False),
            (["reports:read", "reports:write", "ingest:write"], False),
            (["admin"], False),
            (["metrics:read"], False),
            ([], True),
        ], route.path
