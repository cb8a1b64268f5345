"""The embedded servers check credentials: passwords, signatures, and the expiry of presigned links."""

import http.client
import time
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from botocore.exceptions import ClientError
from types_boto3_s3 import S3Client

from services.local.servers import Endpoints
from tests.fixtures.buckets import s3_client


def _get(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def _presigned(s3: S3Client, bucket: str, lifetime_s: int) -> str:
    s3.put_object(Bucket=bucket, Key="report.csv", Body=b"store_id\n")
    return s3.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "report.csv"}, ExpiresIn=lifetime_s
    )


def test_postgres_refuses_a_wrong_password(servers: Endpoints) -> None:
    wrong = urlsplit(servers.database_url)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            wrong._replace(netloc=f"{wrong.username}:wrong@{wrong.hostname}:{wrong.port}").geturl()
        )


def test_postgres_keeps_scram_hashes_only(servers: Endpoints) -> None:
    with psycopg.connect(servers.database_url) as conn:
        hashes = conn.execute("select rolpassword from pg_authid where rolcanlogin").fetchall()
    assert hashes
    assert all(str(value).startswith("SCRAM-SHA-256$") for (value,) in hashes)


@pytest.mark.parametrize("credentials", ["", ":wrong@"])
def test_valkey_refuses_a_missing_or_wrong_password(servers: Endpoints, credentials: str) -> None:
    parts = urlsplit(servers.redis_url)
    url = parts._replace(netloc=f"{credentials}{parts.hostname}:{parts.port}").geturl()
    with redis.Redis.from_url(url) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_valkey_loses_nothing_on_purpose(servers: Endpoints) -> None:
    with redis.Redis.from_url(servers.redis_url) as client:
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    assert settings == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def test_s3_refuses_a_wrong_secret(servers: Endpoints, bucket: str) -> None:
    client = s3_client(replace(servers, s3_secret_key="wrong"))
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_objects_v2(Bucket=bucket)
    client.close()


def test_s3_refuses_an_unsigned_request(s3: S3Client, bucket: str) -> None:
    url = _presigned(s3, bucket, 60)
    status, body = _get(url.partition("?")[0])
    assert status == 403
    assert b"AccessDenied" in body


def test_a_presigned_link_opens_until_it_expires(s3: S3Client, bucket: str) -> None:
    assert _get(_presigned(s3, bucket, 60)) == (200, b"store_id\n")
    short = _presigned(s3, bucket, 1)
    time.sleep(2)
    assert _get(short)[0] == 403
