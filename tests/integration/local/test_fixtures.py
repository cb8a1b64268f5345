"""The fixtures of other tests are separate and private to each test."""

import psycopg
import pytest
import redis
from types_boto3_s3 import S3Client


@pytest.mark.parametrize("_", range(3))
def test_each_test_has_a_database_with_the_schema_and_no_rows(database_url: str, _: int) -> None:
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from store").fetchone() == (0,)
        conn.execute("create table left_behind ()")


def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as conn:
        tables = conn.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    assert tables == (0,)


@pytest.mark.parametrize("_", range(2))
def test_each_test_has_an_empty_queue(redis_url: str, _: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


@pytest.mark.parametrize("_", range(2))
def test_each_test_has_an_empty_bucket(s3: S3Client, bucket: str, _: int) -> None:
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.put_object(Bucket=bucket, Key="left", Body=b"behind")


def test_the_settings_name_what_the_test_was_given(
    env: dict[str, str], database_url: str, redis_url: str, bucket: str
) -> None:
    assert (env["UPTILL_DATABASE_URL"], env["UPTILL_REDIS_URL"], env["UPTILL_S3_BUCKET"]) == (
        database_url,
        redis_url,
        bucket,
    )
