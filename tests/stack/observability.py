"""What Prometheus sees of the stack."""

from collections import Counter
from typing import Any

import httpx2

from tests.fixtures.services import wait_until
from tests.stack.stack import Stack

_EXPECTED = {"api": 1, "ingest": 1, "worker": 4, "scheduler": 1}


def check_metrics(stack: Stack) -> str:
    """Start Prometheus and wait until it scrapes every process, and its figures are those of the database."""
    stack.run_compose("--profile", "observability", "up", "--detach", "--no-build", "prometheus")
    wait_until(lambda: _scraped(stack) == _EXPECTED, f"targets {_EXPECTED}", within_s=600)
    (succeeded,) = stack.sql("select count(*) from report where state = 'succeeded'")
    wait_until(
        lambda: _value(stack, 'uptill_reports{state="succeeded"}') == int(succeeded), "the count of reports"
    )
    return f"{sum(_EXPECTED.values())} processes scraped, {succeeded} reports as in the database"


def _scraped(stack: Stack) -> dict[str, int]:
    answer = _ask(stack, "/api/v1/targets")
    targets = answer["activeTargets"] if answer else []
    return dict(Counter(target["labels"]["job"] for target in targets if target["health"] == "up"))


def _value(stack: Stack, query: str) -> float | None:
    answer = _ask(stack, "/api/v1/query", query=query)
    return float(answer["result"][0]["value"][1]) if answer and answer["result"] else None


def _ask(stack: Stack, path: str, **parameters: str) -> dict[str, Any] | None:
    try:
        body = httpx2.get(f"{stack.prometheus_url}{path}", params=parameters).json()
    except (httpx2.HTTPError, ValueError):
        return None
    data: dict[str, Any] = body["data"]
    return data
