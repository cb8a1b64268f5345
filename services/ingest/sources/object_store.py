"""Finds objects in an S3 store by their address: `s3://bucket/key` or `s3://bucket/prefix/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from services.ingest.sources.objects import REFUSED_STATUSES, SCHEME, ObjectSource, status_of
from shared.errors import BadInputFile, StorageUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def find_object(client: "S3Client", address: str) -> ObjectSource:
    """Return the object `s3://bucket/key`. Raise `BadInputFile` (`io`) and `StorageUnavailable`."""
    bucket, key = _split_address(address)
    with _translate_errors(address):
        head = client.head_object(Bucket=bucket, Key=key)
    return ObjectSource(client, bucket, key, head["ETag"], head["ContentLength"])


def list_objects(client: "S3Client", address: str) -> list[ObjectSource]:
    """Return all objects below `s3://bucket/prefix/`, by key. Raise as `find_object` does."""
    bucket, prefix = _split_address(address)
    with _translate_errors(address):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            ObjectSource(client, bucket, found["Key"], found["ETag"], found["Size"])
            for page in pages
            for found in page.get("Contents", [])
        ]


def _split_address(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise BadInputFile("io", f"{address} names no bucket; write s3://bucket/key or s3://bucket/prefix/")
    return bucket, key


@contextmanager
def _translate_errors(address: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        status = status_of(error)
        if status == HTTPStatus.NOT_FOUND:
            raise BadInputFile("io", f"{address} is not there; check the bucket and the key") from error
        if status in REFUSED_STATUSES:
            raise BadInputFile("io", f"{address}: the object store refuses these credentials") from error
        message = f"{address}: the object store did not answer; check UPTILL_S3_ENDPOINT"
        raise StorageUnavailable(message) from error
