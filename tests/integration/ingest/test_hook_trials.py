"""A trial of a sample refuses what a call refuses, in the same words."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.integration.ingest.hooks import BY_TOKEN, MAPPING, TOKEN, counts, item, put, send

BY_HEADER = {**MAPPING, "store_id": "header:X-Store", "unknown_stores": "add"}


def try_sample(
    service: TestClient, sample: str, headers: Mapping[str, str], status: int = 200
) -> dict[str, Any]:
    answer = service.post(
        "/v1/hooks/pos/dry-run",
        content=f'{{"headers": {json.dumps(headers)}, "sample": {sample} , "preset": null}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.json()
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("headers", "sample", "status", "words"),
    [
        ({"Content-Type": "text/plain"}, "{}", 415, "the body is not declared as JSON"),
        ({"Content-Type": "application/xml"}, "{}", 415, "the body is not declared as JSON"),
        ({"Content-Encoding": "br"}, "{}", 415, "unsupported Content-Encoding 'br'"),
        ({"Content-Encoding": "gzip"}, "{}", 400, "the body is not valid gzip"),
        ({}, f'"{"x" * ((1 << 20) - 1)}"', 413, "the limit of 1,048,576 bytes"),
        ({}, f'"{"€" * 349_526}"', 413, "the limit of 1,048,576 bytes"),
        ({}, f"[{' ' * (1 << 20)}]", 413, "the limit of 1,048,576 bytes"),
        ({}, '{"a": 1, "a": 2}', 422, "the name 'a' is given twice"),
    ],
)
def test_what_a_call_refuses(
    hook_service: TestClient, headers: dict[str, str], sample: str, status: int, words: str
) -> None:
    put(hook_service, signature=BY_TOKEN, secret=TOKEN)
    called = send(hook_service, sample.encode(), {"X-Token": TOKEN, **headers}, status=status)
    tried = try_sample(hook_service, sample, headers, status)
    assert tried["type"] == called["type"]
    detail = str(called["detail"]).removeprefix("POST /v1/hooks/pos: ")
    assert words in detail
    assert str(tried["detail"]).endswith(detail)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.pos+json"])
def test_what_a_call_takes(hook_service: TestClient, kind: str) -> None:
    put(hook_service, mapping=BY_HEADER, signature=BY_TOKEN, secret=TOKEN)
    longest = f'"{"x" * ((1 << 20) - 2)}"'
    headers = {"Content-Type": kind, "Content-Encoding": "identity", "X-Store": "a"}
    assert len(try_sample(hook_service, longest, headers)["rejects"]) == 1
    packed = {"X-Token": TOKEN, **headers, "Content-Encoding": "gzip"}
    assert counts(send(hook_service, gzip.compress(json.dumps(item()).encode()), packed))[:1] == (1,)
