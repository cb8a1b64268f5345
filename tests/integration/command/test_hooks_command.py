"""`uptill hooks` and its calls against the real ingest service."""

import json
import re
import time
from pathlib import Path

import httpx2

from shared.webhooks.secret import sign_message
from tests.fixtures.services import Services

DOCUMENT = {
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
    (tmp_path / "nan.json").write_text('{"mapping": NaN}')
    refused = run(services, "hooks", "put", "till", str(tmp_path / "nan.json"), code=2)
    assert "nan.json is not JSON: NaN is not a JSON value" in refused
    for name, text in (("none", "NaN"), ("two", "{} {}"), ("deep", "[" * 100_000)):
        (tmp_path / f"{name}.json").write_text(text)
        refused = run(services, "hooks", "test", "till", str(tmp_path / f"{name}.json"), code=2)
        assert f"{name}.json is " in refused


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
