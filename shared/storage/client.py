"""The S3 client: how it is made, how long it waits, and what its errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ConfigurationError, StorageUnavailable
from shared.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Patience:
    """How long one attempt of a call may wait for the store, and how many attempts there are."""

    connect_s: float
    read_s: float
    attempts: int


_PIECE_TYPE = "binary/octet-stream"
# For a worker with a batch or a file in hand, and for a service that answers a caller.
PATIENT = Patience(connect_s=3, read_s=10, attempts=3)
BRIEF = Patience(connect_s=1, read_s=2, attempts=2)


def make_client(settings: Settings, endpoint: str, patience: Patience = PATIENT) -> "S3Client":
    """Return a client for one endpoint with the settings' credentials. It does not connect yet.

    Raises `ConfigurationError` if no client can be made for this endpoint and region.
    """
    try:
        return _build_client(settings, endpoint, patience)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"UPTILL_S3_ENDPOINT ({endpoint or 'not set'}) or UPTILL_S3_REGION ({settings.s3_region}) cannot be used: {error}"
        ) from error


def _build_client(settings: Settings, endpoint: str, patience: Patience) -> "S3Client":
    client = make_session(settings).client(
        "s3",
        endpoint_url=endpoint or None,
        config=Config(
            connect_timeout=patience.connect_s,
            read_timeout=patience.read_s,
            retries={"mode": "standard", "total_max_attempts": patience.attempts},
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # Not every S3 server knows the newer default checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=16,
        ),
    )
    client.meta.events.register("before-call.s3.UploadPart", _name_type_of_piece)
    return client


def _name_type_of_piece(params: dict[str, Any], **_: object) -> None:
    """Give a piece of an object a type. SeaweedFS looks into a piece without one, and compresses it if it is text."""
    params["headers"]["Content-Type"] = _PIECE_TYPE


def make_session(settings: Settings) -> boto3.Session:
    """Return the session with the settings' credentials, or with those that boto3 finds."""
    return _make_session(
        settings.s3_access_key or None, settings.s3_secret_key.get_secret_value() or None, settings.s3_region
    )


@lru_cache(maxsize=4)
def _make_session(access_key: str | None, secret_key: str | None, region: str) -> boto3.Session:
    # A session reads the description of S3 once, which takes longer than anything else at the start of a service.
    return boto3.Session(access_key, secret_key, region_name=region)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the client's errors into `StorageUnavailable`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable("the object store did not answer as expected") from error


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an error; 0 if it has none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
