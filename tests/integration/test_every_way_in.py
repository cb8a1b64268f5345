"""One store whose polls come by every way in: one consistent timeline, and the report that the oracle makes of it.

Each way brings a poll of its own, and once more the poll of the way before it, which then counts as a duplicate.
"""

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2
import psycopg
from fastapi.testclient import TestClient
from types_boto3_s3 import S3Client

from services.worker.context import WorkerContext
from tests.fixtures.in_process import work
from tests.fixtures.kafka import kafka_cluster
from tests.fixtures.kafka_consumer import TOPIC, await_position, consumer_settings, consuming
from tests.fixtures.local_stack import eventually
from tests.fixtures.sftp_server import sftp_server
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.hooks import BY_TOKEN, TOKEN, by_token, counts, put
from tests.integration.ingest.service import ended, ingest_service
from tests.integration.ingest.test_watch import watching
from tests.oracle.accounting import HoursRow, Poll, account
from tests.oracle.report import WINDOWS, header, instant_us, row

STORE, ZONE, NAME = "corner", "America/New_York", "Corner Shop"
WAYS: Final = ("zip", "command", "upload", "call", "hook", "kafka", "sftp", "folder", "bucket")
HOURS = [HoursRow(day, 9 * 3600, 17 * 3600) for day in range(7)]
MAPPING: Final = {"each": "/events"} | {
    name: f"/{name}" for name in ("store_id", "observed_at", "status", "reason")
}


def poll_of(way: str) -> dict[str, str]:
    """The poll of a way, as JSON has it: 37 minutes after that of the way before it."""
    place = WAYS.index(way)
    at = datetime(2024, 10, 14, 14, 11, tzinfo=UTC) + timedelta(minutes=37 * place)
    said = {"status": "inactive", "reason": "busy"} if place % 3 == 2 else {"status": "active"}
    return {"store_id": STORE, "observed_at": at.isoformat(), **said}


def bring(way: str) -> list[dict[str, str]]:
    """What a way brings."""
    return [poll_of(each) for each in WAYS[max(0, WAYS.index(way) - 1) : WAYS.index(way) + 1]]


def table(way: str) -> str:
    rows = [f"{STORE},{poll['status']},{poll['observed_at']},{poll.get('reason', '')}" for poll in bring(way)]
    return "\n".join(["store_id,status,timestamp_utc,reason", *rows, ""])


def by_files(env: Mapping[str, str], folder: Path) -> None:
    """A zip with hours and zones, a file, and a directory of stores, by the command."""
    url = env["UPTILL_DATABASE_URL"]
    days = "".join(f"{STORE},{day},09:00:00,17:00:00\n" for day in range(7))
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("store_status.csv", table("zip"))
        archive.writestr("menu_hours.csv", f"store_id,day,start_time_local,end_time_local\n{days}")
        archive.writestr("timezones.csv", f"store_id,timezone_str\n{STORE},{ZONE}\n")
    (folder / "polls.csv").write_text(table("command"))
    (folder / "stores.csv").write_text(f"store_id,name\n{STORE},{NAME}\n")
    for name in ("all.zip", "polls.csv", "stores.csv"):
        done = run_ingest(url, str(folder / name))
        assert done.returncode == 0, done.stderr


def by_http(service: TestClient) -> None:
    """An upload, a call with live polls, and a call of a hook."""
    upload = ended(service, service.post("/v1/imports", content=table("upload"), params={"name": "up.csv"}))
    assert (upload["counts"]["accepted"], upload["counts"]["duplicate"]) == (1, 1)
    answer = service.post("/v1/observations", json={"observations": bring("call")})
    assert answer.json() == {"accepted": 1, "duplicate": 1, "corrected": 0}
    put(service, mapping=MAPPING, signature=BY_TOKEN, secret=TOKEN)
    assert counts(by_token(service, {"events": bring("hook")})) == (1, 1, 0, 0, 0)


def by_kafka(url: str) -> None:
    with kafka_cluster() as cluster:
        cluster.create_topic(TOPIC, 1)
        cluster.produce(TOPIC, [json.dumps(bring("kafka")).encode()])
        with consuming(consumer_settings(url, cluster)):
            await_position(url, 1)


def by_watching(env: Mapping[str, str], s3: S3Client, bucket: str, tmp_path: Path) -> None:
    """Files that are dropped while a server's folder, one here, and a prefix of a bucket are watched."""
    url, folder = env["UPTILL_DATABASE_URL"], tmp_path / "drops"
    folder.mkdir()
    with (
        sftp_server(tmp_path) as stand,
        watching(url, stand.address(), tmp_path / "sftp.log", stand.settings()) as watcher,
    ):
        (stand.root / "in" / "far.csv").write_text(table("sftp"))
        eventually(lambda: watcher.imported() == ["far.csv"])
    with watching(url, str(folder), tmp_path / "folder.log") as watcher:
        (folder / "near.csv").write_text(table("folder"))
        eventually(lambda: watcher.imported() == ["near.csv"])
    with watching(url, f"s3://{bucket}/in/", tmp_path / "s3.log", env) as watcher:
        s3.put_object(Bucket=bucket, Key="in/object.csv", Body=table("bucket").encode())
        eventually(lambda: watcher.imported() == ["object.csv"])


def reported(api: TestClient, worker: WorkerContext, as_of: str) -> bytes:
    created = api.post("/v1/reports", json={"as_of": as_of})
    assert created.status_code == 202, created.json()
    work(worker, created.json()["id"])
    (file,) = api.get(created.headers["location"]).json()["files"]
    return httpx2.get(file["url"]).content


def test_every_way_in_leads_to_one_timeline(
    env: dict[str, str], s3: S3Client, bucket: str, api: TestClient, worker: WorkerContext, tmp_path: Path
) -> None:
    url = env["UPTILL_DATABASE_URL"]
    by_files(env, tmp_path)
    with ingest_service(url, tmp_path / "spool", scopes=("admin",)) as service:
        by_http(service)
    by_kafka(url)
    by_watching(env, s3, bucket, tmp_path)
    check_ledger(url)

    with psycopg.connect(url) as conn:
        ((*counted,),) = conn.execute(
            "select sum(accepted), sum(duplicate), sum(rows_read) from import where kind = 'polls'"
        )
    assert counted == [len(WAYS), len(WAYS) - 1, 2 * len(WAYS) - 1]
    sent = [poll_of(way) for way in WAYS]
    window = {"from": "2024-10-14T13:00:00Z", "to": sent[-1]["observed_at"]}
    shown = api.get(f"/v1/stores/{STORE}/timeline", params=window).json()
    assert [(instant_us(poll["at"]), poll["status"]) for poll in shown["polls"]] == [
        (instant_us(poll["observed_at"]), poll["status"]) for poll in sent
    ]
    assert {segment["reason"] for segment in shown["segments"] if segment["state"] == "down"} == {"busy"}
    assert api.get(f"/v1/stores/{STORE}").json()["name"] == NAME

    polls = [
        Poll(instant_us(poll["observed_at"]), poll["status"] == "active", reason=poll.get("reason", ""))
        for poll in sent
    ]
    measured = account(ZONE, HOURS, polls, polls[-1].at_us, "classic", WINDOWS)
    assert reported(api, worker, sent[-1]["observed_at"]) == header() + row(STORE, ZONE, measured)
