"""The bucket as a whole: whether it exists, and whether strangers can read it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ConfigurationError, StorageUnavailable
from shared.storage.client import status_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def bucket_exists(client: "S3Client", bucket: str) -> bool:
    """Return whether the bucket exists. Raises `StorageUnavailable`, or `ConfigurationError` if access is refused."""
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        status = status_of(error)
        if status == HTTPStatus.NOT_FOUND:
            return False
        if status == HTTPStatus.FORBIDDEN:
            raise ConfigurationError(f"the bucket {bucket} refuses these credentials") from error
        raise StorageUnavailable("the object store answers with an error") from error
    except BotoCoreError as error:
        raise StorageUnavailable("the object store did not answer") from error
    return True


def create_bucket(client: "S3Client", bucket: str) -> bool:
    """Create the bucket unless it exists; return whether this call did. Raises as `bucket_exists` does."""
    if bucket_exists(client, bucket):
        return False
    try:
        client.create_bucket(Bucket=bucket)
    except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        # Another process was faster.
        return False
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable("the object store did not make the bucket") from error
    return True


def is_readable_by_strangers(client: "S3Client", bucket: str, key: str) -> bool:
    """Return whether a request without credentials can read this object or list the bucket."""
    unsigned: S3Client = boto3.client(
        "s3",
        endpoint_url=client.meta.endpoint_url,
        region_name=client.meta.region_name,
        config=client.meta.config.merge(Config(signature_version=UNSIGNED)),
    )
    try:
        return _is_granted(lambda: unsigned.get_object(Bucket=bucket, Key=key)) or _is_granted(
            lambda: unsigned.list_objects_v2(Bucket=bucket, MaxKeys=1)
        )
    finally:
        unsigned.close()


def _is_granted(request: Callable[[], object]) -> bool:
    try:
        request()
    except ClientError:
        return False
    except BotoCoreError as error:
        raise StorageUnavailable("the object store did not answer") from error
    return True
