"""No secret and no link that opens a file is in the log of any service (promise 20)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from services.local.ports import free_ports
from shared.ids import new_id
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, answers, wait_until


def test_logs_hold_neither_secrets_nor_links(env: Mapping[str, str], tmp_path: Path) -> None:
    load_fleet(
        env["UPTILL_DATABASE_URL"], {"a": Store(polls=[(datetime(2024, 10, 14, 18, tzinfo=UTC), True)])}
    )
    (port,) = free_ports(1)
    settings = {**env, "UPTILL_LOG_LEVEL": "DEBUG", "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}
    wrong_key = f"upt_abcdefgh_{'canary' * 7}c"
    links, bodies, metrics = [], list[str](), list[str]()
    with Services(settings, tmp_path) as services:
        services.api()
        services.worker()
        services.scheduler()
        services.start("services.ingest.http", f"--port={port}")
        with services.client() as client:
            *_, ended = client.follow(client.create_report(force=True).id)
            links = [file.url for file in ended.files]
        for url in (env["UPTILL_API_URL"], f"http://127.0.0.1:{port}"):
            wait_until(partial(answers, f"{url}/livez"), url)
            for key in (wrong_key, env["UPTILL_API_KEY"]):
                for path in (
                    *(f"/v1/reports/{new_id()}", "/v1/imports", "/v1/keys", f"/{new_id()}?key={key}"),
                    *(
                        f"/{key}",
                        f"/v1/{key}/x",
                        f"/v1/stores/{key}",
                        f"/v1/stores?label={key}",
                        f"/v1/audit?actor={key}",
                    ),
                    *(f"/v1/imports?name={key}%00", f"/get_report?report_id={key}", f"/v1/imports/{key}"),
                ):
                    for answer in (
                        httpx2.get(
                            url + path, headers={"Authorization": f"Bearer {key}", "X-Request-Id": key}
                        ),
                        httpx2.post(url + path, headers={"X-API-Key": key}, json={key: key}),
                        httpx2.post(
                            url + path, headers={"X-API-Key": key, "X-Request-Id": key}, content=b"{"
                        ),
                        httpx2.request(key.replace("-", "_"), url + path, headers={"X-API-Key": key}),
                    ):
                        bodies.append(answer.text + str(answer.headers))
            metrics.append(httpx2.get(f"{url}/metrics", headers={"X-API-Key": env["UPTILL_API_KEY"]}).text)
    logs = {log.name: log.read_text(errors="replace") for log in tmp_path.glob("*.log")}
    assert len(logs) == 4
    assert all(logs.values())
    assert links
    signatures = [link.rpartition("X-Amz-Signature=")[2].partition("&")[0] for link in links]
    passwords = [urlsplit(env[f"UPTILL_{name}_URL"]).password for name in ("DATABASE", "REDIS")]
    canaries = [
        env["UPTILL_API_KEY"].split("_", 2)[2],
        wrong_key.split("_", 2)[2],
        env["UPTILL_S3_SECRET_KEY"],
    ]
    for canary in (*canaries, *signatures, *passwords, "X-Amz-Credential"):
        assert canary
        assert [name for name, text in logs.items() if canary in text] == [], canary
    for canary in canaries[:2]:
        assert not [text for text in (*bodies, *metrics) if canary in text]
