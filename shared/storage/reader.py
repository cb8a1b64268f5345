"""Read an object and verify every byte of it."""

import hashlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.errors import ObjectCorrupt, ObjectGone
from shared.storage.client import status_of, translated_errors
from shared.storage.objects import Expected, FetchedObject

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

_BLOCK_BYTES = 1024 * 1024


def read_object(client: "S3Client", bucket: str, expected: Expected) -> Iterator[bytes]:
    """Yield the object's bytes in blocks; see `Storage.read`."""
    digest, size_bytes = hashlib.sha256(), 0
    with translated_errors():
        body = _get_object(client, bucket, expected)["Body"]
        with body:
            for block in body.iter_chunks(_BLOCK_BYTES):
                digest.update(block)
                size_bytes += len(block)
                yield block
    _refuse_changed(expected, size_bytes, digest.hexdigest())


def fetch_object(client: "S3Client", bucket: str, expected: Expected) -> FetchedObject:
    """Return all bytes of the object; see `Storage.fetch`."""
    with translated_errors():
        answer = _get_object(client, bucket, expected)
        body = answer["Body"]
        with body:
            data = body.read()
    _refuse_changed(expected, len(data), hashlib.sha256(data).hexdigest())
    return FetchedObject(expected.key, data, answer["ETag"])


def _get_object(client: "S3Client", bucket: str, expected: Expected) -> "GetObjectOutputTypeDef":
    """Return the answer with the object's body. Raises `ObjectGone` and, for another length, `ObjectCorrupt`."""
    try:
        answer = client.get_object(Bucket=bucket, Key=expected.key)
    except client.exceptions.NoSuchKey as error:
        raise ObjectGone(f"the object {expected.key} is not in the bucket") from error
    try:
        _refuse_size(expected, answer["ContentLength"])
    except ObjectCorrupt:
        answer["Body"].close()
        raise
    return answer


def read_range(client: "S3Client", bucket: str, key: str, first: int, length: int) -> bytes:
    """Return some bytes of an object; see `Storage.read_range`."""
    with translated_errors():
        try:
            answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{first + length - 1}")
        except client.exceptions.NoSuchKey as error:
            raise ObjectGone(f"the object {key} is not in the bucket") from error
        except ClientError as error:
            if status_of(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise ObjectCorrupt(f"the object {key} has changed: it is too short") from error
            raise
        with answer["Body"] as body:
            return body.read()


def _refuse_changed(expected: Expected, size_bytes: int, sha256: str) -> None:
    _refuse_size(expected, size_bytes)
    if sha256 != expected.sha256:
        raise ObjectCorrupt(f"the object {expected.key} has changed: its SHA-256 is not the stored one")


def _refuse_size(expected: Expected, size_bytes: int) -> None:
    if size_bytes != expected.size_bytes:
        raise ObjectCorrupt(
            f"the object {expected.key} has changed: it has {size_bytes:,} bytes instead of {expected.size_bytes:,}"
        )
