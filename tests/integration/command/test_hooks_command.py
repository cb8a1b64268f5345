"""`uptill hooks` and its calls against the real ingest service."""

import gzip
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.webhooks.secret import sign_message
from tests.fixtures.services import Services

DOCUMENT: Mapping[str, Any] = {
    "mapping": {"store_id": "/s", "observed_at": "/t", "unit": "s", "status": "/x", "event": True},
    "signature": {"scheme": "standard_webhooks"},
}
AT_S = 1728930015  # 2024-10-14T18:20:15Z


def run(services: Services, *arguments: str, code: int = 0) -> str:
    done = services.run(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def write(folder: Path, name: str, document: object) -> str:
    file = folder / name
    file.write_text(json.dumps(document))
    return str(file)


def call(services: Services, secret: str, item: object) -> dict[str, object]:
    body, now = json.dumps(item).encode(), str(int(time.time()))
    signature = sign_message(secret, "m1", now, body)
    headers = {"webhook-id": "m1", "webhook-timestamp": now, "webhook-signature": f"v1,{signature}"}
    answer = httpx2.post(
        f"{services.settings['UPTILL_INGEST_URL']}/v1/hooks/till",
        content=body,
        headers={**headers, "Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_hook_is_tried_set_called_rotated_and_removed(services: Services, tmp_path: Path) -> None:
    document, sample = write(tmp_path, "hook.json", DOCUMENT), {"s": "hooked", "t": AT_S, "x": "inactive"}
    tried = run(
        services, "hooks", "test", "till", write(tmp_path, "a.json", sample), "--mapping", document, code=1
    )
    assert tried.startswith("rejected as unknown_store")
    run(services, "stores", "name", "hooked", "Main Street", "--create")
    tried = run(services, "hooks", "test", "till", str(tmp_path / "a.json"), "--mapping", document)
    assert "hooked  inactive  2024-10-14T18:20:15Z  yes" in tried
    assert "hook till would be at version 1" in run(services, "hooks", "put", "till", document, "--dry-run")
    assert "does not exist" in run(services, "hooks", "show", "till", code=1)
    secret = services.run("hooks", "put", "till", document).stdout.strip()
    assert call(services, secret, sample)["accepted"] == 1
    assert call(services, secret, {**sample, "s": "other"})["replayed"] is True
    assert "standard_webhooks" in run(services, "hooks", "list")
    shown = run(services, "hooks", "show", "till")
    assert re.search(r"stored calls +1, the last at .* UTC; 0 items rejected", shown)
    assert re.search(r"ignored calls +none\n", shown)
    assert '"signature": ' not in shown
    assert re.search(r'signature +{"scheme": "standard_webhooks", "tolerance_s": 300}\n', shown)
    assert secret not in run(services, "hooks", "show", "till", "--json")
    (only,) = json.loads(services.run("hooks", "show", "till", "--versions", "--json").stdout)
    assert only["version"] == 1
    rotated = services.run("hooks", "rotate", "till", "--overlap", "60").stdout.strip()
    assert rotated.startswith("whsec_")
    assert rotated != secret
    run(services, "hooks", "delete", "till")
    assert "does not exist: `uptill hooks list`" in run(services, "hooks", "show", "till", code=1)


def test_a_trial_has_the_headers_that_the_mapping_reads(services: Services, tmp_path: Path) -> None:
    sample = write(tmp_path, "a.json", {"status": "active"})
    mapping = {"store_id": "header:X-Store", "observed_at": "/t", "status": "/x", "unknown_stores": "add"}
    document = write(tmp_path, "hook.json", {"mapping": mapping})
    body = write(tmp_path, "b.json", {"t": "2024-10-14T18:20:15Z", "x": "active"})
    tried = run(services, "hooks", "test", "h", body, "--mapping", document, "--header", "x-store: 00:42")
    assert "00:42  active" in tried
    event = [
        f"--header=ce-{name}"
        for name in ("specversion:1.0", "id:1", "source:/x", "type:t", "subject:nowhere")
    ]
    event += ["--header", "ce-time:2024-10-14T18:20:15Z", "--preset", "cloudevents"]
    assert "rejected as unknown_store" in run(services, "hooks", "test", "h", sample, *event, code=1)
    (tmp_path / "half.json").write_bytes(
        b'\xef\xbb\xbf{"t": "2024-10-14T18:20:15Z", "x": "\\ud800", "y": 1e400}'
    )
    tried = run(
        services,
        "hooks",
        "test",
        "h",
        str(tmp_path / "half.json"),
        "--mapping",
        document,
        "--header=x-store:1",
        code=1,
    )
    assert tried.startswith("rejected as status")
    empty = write(tmp_path, "empty.json", {"items": []})
    listed = write(tmp_path, "list.json", {"mapping": {**mapping, "each": "/items"}})
    assert "ignored, because it has no item" in run(
        services, "hooks", "test", "h", empty, "--mapping", listed
    )
    refused = run(services, "hooks", "test", "h", sample, "--header", "no colon", code=2)
    assert "invalid header 'no colon': write it as NAME:VALUE" in refused
    refused = run(services, "hooks", "test", "h", sample, "--header", "x store:1", code=2)
    assert "invalid name of a header 'x store': write 1 to 100 letters" in refused
    refused = run(services, "hooks", "test", "h", sample, "--header=X-A:1", "--header=x-a:2", code=2)
    assert "the header 'x-a' is given twice" in refused


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_trial_and_a_call_read_the_bytes_of_a_header_in_one_way(
    services: Services, tmp_path: Path, encoding: str
) -> None:
    name, sent = f"{encoding}-hook", f"Zürich {encoding}".encode(encoding)
    mapping = {**DOCUMENT["mapping"], "store_id": "header:X-Store", "unknown_stores": "add"}
    document = write(tmp_path, "hook.json", {"mapping": mapping, "signature": {"scheme": "api_key"}})
    run(services, "hooks", "put", name, document)
    sample = {"t": AT_S, "x": "active"}
    tried = run(
        services, "hooks", "test", name, write(tmp_path, "a.json", sample),
        "--header", f"X-Store:  {os.fsdecode(sent)} ",
    )  # fmt: skip
    assert f"Zürich {encoding}  active" in tried
    answer = httpx2.post(
        f"{services.settings['UPTILL_INGEST_URL']}/v1/hooks/{name}",
        content=json.dumps(sample),
        headers=[
            (b"Authorization", f"Bearer {services.settings['UPTILL_API_KEY']}".encode()),
            (b"Content-Type", b"application/json"),
            (b"X-Store", sent),
        ],
    )
    assert answer.json()["accepted"] == 1
    assert f"Zürich {encoding}" in run(services, "stores", "list")


def test_a_file_that_no_call_would_bring_is_named(services: Services, tmp_path: Path) -> None:
    files = {
        "twice.json": '{"items": [], "items": 1}',
        "nan.json": '{"mapping": NaN}',
        "none.json": "NaN",
        "two.json": "{} {}",
        "deep.json": "[" * 100_000,
        "list.json": "[]",
        "long.json": "{}" + " " * (1 << 20),
    }
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    (tmp_path / "packed.json").write_bytes(gzip.compress(b"{}"))
    refused = {
        "twice.json": "twice.json: the name 'items' is given twice in one object: give it once",
        "nan.json": "nan.json: NaN is not a JSON value",
        "none.json": "none.json: NaN is not a JSON value",
        "two.json": "two.json is not JSON: Extra data",
        "deep.json": "deep.json is nested too deeply",
        "packed.json": "packed.json is not JSON",
        "latin.json": "latin.json: the text is not UTF-8, because of the byte 0xfc at position 1",
    }
    (tmp_path / "latin.json").write_bytes(b'"\xfc"')
    sample = write(tmp_path, "sample.json", {})
    for file, words in refused.items():
        path = str(tmp_path / file)
        assert words in run(services, "hooks", "test", "till", path, code=2)
        assert words in run(services, "hooks", "test", "till", sample, "--mapping", path, code=2)
        assert words in run(services, "hooks", "put", "till", path, code=2)
    assert "list.json is not a JSON object" in run(
        services, "hooks", "put", "till", str(tmp_path / "list.json"), code=2
    )
    packed = run(services, "hooks", "test", "till", str(tmp_path / "packed.json"), code=2)
    assert "packed.json is not JSON, but gzip: unpack it first" in packed
    too_long = run(services, "hooks", "test", "till", str(tmp_path / "long.json"), code=2)
    assert "long.json: the body is longer than the limit of 1,048,576 bytes: send a smaller one" in too_long


def test_a_number_of_thousands_of_digits_is_tried_as_a_call_takes_it(
    services: Services, tmp_path: Path
) -> None:
    mapping = {"store_id": "/n", "observed_at": "received", "status": "=active"}
    document = write(tmp_path, "hook.json", {"mapping": mapping})
    sample = tmp_path / "digits.json"
    sample.write_text(f'{{"n": {"9" * 5000}}}')
    tried = run(services, "hooks", "test", "h", str(sample), "--mapping", document, code=1)
    assert "rejected as" in tried
    refused = run(services, "hooks", "put", "h", str(sample), code=2)
    assert f"digits.json: the number {'9' * 60}… is too large\n" in refused


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Content-Encoding: gzip", "error: the body is not valid gzip"),
        ("Content-Encoding: br", "error: unsupported Content-Encoding 'br'"),
        ("Content-Type: text/plain", "error: the body is not declared as JSON"),
    ],
)
def test_what_no_call_would_take_is_wrong_use(
    services: Services, tmp_path: Path, header: str, words: str
) -> None:
    document = write(
        tmp_path, "hook.json", {"mapping": {"store_id": "/s", "observed_at": "received", "status": "/x"}}
    )
    sample = write(tmp_path, "a.json", {})
    refused = run(services, "hooks", "test", "h", sample, "--mapping", document, "--header", header, code=2)
    assert refused.startswith(words)


def test_of_many_rejected_items_the_first_are_shown(services: Services, tmp_path: Path) -> None:
    mapping = {"store_id": "/s", "observed_at": "received", "status": "/x", "each": ""}
    document = write(tmp_path, "hook.json", {"mapping": mapping})
    sample = write(tmp_path, "many.json", [{}] * 1025)
    tried = run(services, "hooks", "test", "h", sample, "--mapping", document, code=1).splitlines()
    assert (len(tried), tried[-1]) == (21, "and 1,005 more: --json shows all rejected items")


def test_a_dry_run_says_what_becomes_of_the_secret(services: Services, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a-token-that-is-long-enough\n")
    (tmp_path / "other").write_text("another-token-that-is-long-enough\n")
    by_token = {**DOCUMENT, "signature": {"scheme": "token", "header": "X-Token"}}
    document = write(tmp_path, "hook.json", by_token)

    def plan(*given: str) -> str:
        shown = run(services, "hooks", "put", "planned", document, *given, "--dry-run")
        assert "long-enough" not in shown
        return shown

    assert "its secret would be a new one, which the command would print" in plan()
    first = ("--secret-file", str(tmp_path / "secret"))
    assert "its secret would be the given one" in plan(*first)
    run(services, "hooks", "put", "planned", document, *first)
    assert "its secret would be kept" in plan()
    assert "its secret would be kept" in plan(*first)
    assert re.search(
        r"its secret would be replaced by the given one; the one before would stay valid until \d{4}",
        plan("--secret-file", str(tmp_path / "other")),
    )
    document = write(tmp_path, "standard.json", DOCUMENT)
    assert "replaced by a new one, which the command would print; the one before would end at once" in plan()
    document = write(tmp_path, "key.json", {**DOCUMENT, "signature": {"scheme": "api_key"}})
    assert "its secret would be removed" in plan()


def test_rejected_items_name_their_hook(services: Services, tmp_path: Path) -> None:
    secret_file = tmp_path / "token"
    secret_file.write_text("a-token-that-is-long-enough\n")
    document = write(tmp_path, "hook.json", {"signature": {"scheme": "token", "header": "X-Token"}})
    run(
        services, "hooks", "put", "ce", document, "--preset", "cloudevents", "--secret-file", str(secret_file)
    )
    event = {
        "specversion": "1.0", "id": "1", "source": "/x", "type": "t", "subject": "nowhere",
        "time": "2024-10-14T18:20:15Z", "data": {"status": "active"},
    }  # fmt: skip
    answer = httpx2.post(
        f"{services.settings['UPTILL_INGEST_URL']}/v1/hooks/ce",
        content=json.dumps([event]),
        headers={
            "X-Token": "a-token-that-is-long-enough",
            "Content-Type": "application/cloudevents-batch+json",
        },
    )
    assert answer.json()["rejected"] == 1
    imports = json.loads(services.run("imports", "list", "--json").stdout)
    live = next(one["id"] for one in imports if one["source"] == "live")
    shown = run(services, "rejects", live)
    assert shown.startswith("line  reason         hook          text\n")
    assert "unknown_store  ce version 1  {" in shown
    assert "set unknown_stores of the hook to add" in shown
    answer = httpx2.post(
        f"{services.settings['UPTILL_INGEST_URL']}/v1/hooks/ce",
        content=json.dumps([1] * 10_000),
        headers={
            "X-Token": "a-token-that-is-long-enough",
            "Content-Type": "application/cloudevents-batch+json",
        },
    )
    assert answer.json()["rejected"] == 10_000
    assert "and 1 more that are not kept" in run(services, "rejects", live, "--limit", "10001")
    assert "and 9,999 more: `uptill rejects" in run(services, "rejects", live, "--limit", "2")
    presets = run(services, "hooks", "presets")
    assert "doordash_deactivations" in presets
    run(services, "hooks", "put", "bad", str(tmp_path / "token"), code=2)
