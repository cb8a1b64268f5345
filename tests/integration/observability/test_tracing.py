"""The trace of one report goes from the caller through the API to every batch, its upload and the end; off, it costs nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from services.ingest.run import ingest_paths
from shared.errors import ConfigurationError
from shared.settings import Settings
from shared.tracing import span, start_tracing, stop_tracing
from tests.fixtures.collector import Collector, collector
from tests.fixtures.services import Services, wait_until

TRACE_ID, CALLERS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
POLLS = "store_id,status,timestamp_utc\n" + "".join(
    f"store-{n},active,2024-10-14 12:00:00 UTC\n" for n in range(4)
)


@pytest.fixture
def collected() -> Iterator[Collector]:
    with collector() as running:
        yield running


def test_one_trace_from_the_caller_to_the_object_store(
    env: dict[str, str], collected: Collector, tmp_path: Path
) -> None:
    (tmp_path / "polls.csv").write_text(POLLS)
    ingest_paths(env["UPTILL_DATABASE_URL"], [str(tmp_path / "polls.csv")])
    traced = {
        "UPTILL_OTLP_ENDPOINT": collected.url,
        "UPTILL_BATCH_STORES": "2",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Services(env | traced, tmp_path) as services:
        services.api()
        services.worker()
        made = httpx2.post(
            f"{env['UPTILL_API_URL']}/v1/reports",
            headers={
                "Authorization": f"Bearer {env['UPTILL_API_KEY']}",
                "traceparent": f"00-{TRACE_ID}-{CALLERS_SPAN}-01",
            },
        ).json()
        with services.client() as client:
            *_, ended = client.follow(made["id"])
            assert ended.state == "succeeded"
        wait_until(
            lambda: (
                collected.named("finalise")
                and len(collected.named("batch")) == 2
                and any(one.parent_id == CALLERS_SPAN for one in collected.spans)
            ),
            "the spans",
        )
    spans = [one for one in collected.spans if one.trace_id == TRACE_ID]
    (request,) = [one for one in spans if one.parent_id == CALLERS_SPAN]
    assert (request.service, request.name) == ("uptill-api", "POST /v1/reports")
    batches = [one for one in spans if one.name == "batch"]
    assert {one.attributes["batch_no"] for one in batches} == {"0", "1"}
    assert {(one.service, one.parent_id) for one in batches} == {("uptill-worker", request.span_id)}
    assert {one.attributes["report_id"] for one in batches} == {made["id"]}
    for name in ("load", "compute", "upload", "complete"):
        assert {one.parent_id for one in spans if one.name == name} == {one.span_id for one in batches}, name
    (finalise,) = [one for one in spans if one.name == "finalise"]
    assert finalise.parent_id in {one.span_id for one in batches}
    assert {one.parent_id for one in spans if one.name in {"merge", "finish"}} == {finalise.span_id}


def test_a_report_of_an_untraced_request_has_no_traceparent(env: dict[str, str], tmp_path: Path) -> None:
    with Services(env, tmp_path) as services:
        services.api()
        with services.client() as client:
            client.create_report()
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        (row,) = conn.execute("select traceparent is null, request_id is null from report").fetchall()
    assert row == (True, False)


def test_off_nothing_of_opentelemetry_is_loaded_by_us(tmp_path: Path) -> None:
    """redis-py and FastAPI load its interface where they find it; the exporter and its SDK for traces are ours."""
    code = (
        "import sys, shared.tracing as t, services.api.main, services.worker.compute_batch\n"
        "t.start_tracing('api', '')\n"
        "with t.span('nothing', {}) as made: assert made.traceparent is None\n"
        "print([name for name in sys.modules if name == 'shared.otlp' or name.startswith('opentelemetry.exporter')])"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert printed.stdout.strip() == "[]"
    assert Settings.model_fields["otlp_endpoint"].default == ""


def test_an_error_is_named_and_its_text_stays_here(collected: Collector) -> None:
    start_tracing("test", collected.url)
    try:
        with pytest.raises(ValueError, match="canary"), span("fails", {}):
            raise ValueError("canary")
    finally:
        stop_tracing()
    (seen,) = collected.named("fails")
    assert "canary" not in repr(seen)


class TestVariablesOfOpenTelemetry:
    def test_its_endpoint_and_its_service_name_count(
        self, collected: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shops")
        traced("by its variables", "")
        (seen,) = collected.named("by its variables")
        assert seen.service == "shops"

    def test_our_endpoint_is_before_its(self, collected: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        traced("ours", collected.url)
        (seen,) = collected.named("ours")
        assert seen.service == "uptill-test"

    @pytest.mark.parametrize(
        ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
    )
    def test_it_can_be_switched_off(
        self, collected: Collector, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        traced("off", collected.url)
        assert collected.spans == []

    def test_another_protocol_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        with pytest.raises(ConfigurationError, match="'grpc' is not supported; use http/protobuf"):
            start_tracing("test", "http://127.0.0.1:1")

    def test_without_the_extra_the_error_names_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "shared.otlp", raising=False)
        monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        with pytest.raises(ConfigurationError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT.*'uptill\[trace\]'"):
            start_tracing("test", "")


def traced(name: str, endpoint: str) -> None:
    """Make one span, and send it."""
    start_tracing("test", endpoint)
    try:
        with span(name, {}):
            pass
    finally:
        stop_tracing()
