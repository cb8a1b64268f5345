"""The object store, as plain S3. Keys are scoped to an attempt, so no correctness rests on conditional writes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from io import RawIOBase
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import boto3
import structlog
from botocore import UNSIGNED
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ConfigurationError, ObjectCorrupt, ObjectGone, StorageUnavailable, UptillError
from shared.ids import new_id
from shared.settings import Settings, load_settings
from shared.telemetry import configure_logging

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from types_boto3_s3 import S3Client

_PIECE_BYTES = 8 * 1024 * 1024  # S3 asks for at least 5 MiB for every piece but the last
_READ_BYTES = 1024 * 1024
_PROBES = "checks/"


class Expected(Protocol):
    """What an object must be: `sha256` in hex, of its `size_bytes` bytes. A row of the database says so."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class Patience:
    """How long one attempt of a call may wait for the store, and how many attempts there are."""

    connect_s: float
    read_s: float
    attempts: int


PATIENT = Patience(connect_s=3, read_s=10, attempts=3)  # whoever has a batch or a file in hand
BRIEF = Patience(connect_s=1, read_s=2, attempts=2)  # whoever answers a caller


@dataclass(frozen=True)
class StoredObject:
    """What was written: `sha256` in hex, of the `size_bytes` bytes."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing shows it."""

    key: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that was begun and not ended."""

    key: str
    upload_id: str
    begun: datetime


class Storage:
    """One bucket. `public_endpoint` is where links point to, signed with `credentials`. Thread-safe."""

    def __init__(
        self, client: "S3Client", bucket: str, public_endpoint: str, credentials: Credentials | None
    ) -> None:
        self._client = client
        self._public_endpoint = public_endpoint.rstrip("/")
        self._region = client.meta.region_name
        self._credentials = credentials
        self.bucket = bucket

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Write an object in one call. Raises `StorageUnavailable`."""
        with _translated_errors():
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)
        return StoredObject(key, len(data), hashlib.sha256(data).hexdigest())

    def put_stream(self, key: str, blocks: Iterable[bytes], content_type: str) -> StoredObject:
        """Write an object from blocks, holding no more than one piece of it; aborted when `blocks` raises."""
        with self.writing(key, content_type) as target:
            for block in blocks:
                target.write(block)
        return target.stored()

    @contextmanager
    def writing(
        self, key: str, content_type: str, *, on_piece: Callable[[], None] = lambda: None
    ) -> Iterator["ObjectWriter"]:
        """Yield a file to write an object into; it appears when the block ends, and never when the block raises.

        No more than one piece of it is held; `on_piece` is called before one is sent. Raises `StorageUnavailable`.
        """
        pieces = _Pieces(self._client, self.bucket, key, content_type)
        try:
            with _translated_errors():
                target = ObjectWriter(key, pieces, on_piece)
                yield target
                target.finish()
        except BaseException:
            pieces.abort()
            raise

    def copy(self, source: Expected, target: str, content_type: str) -> StoredObject:
        """Copy an object within the bucket, verified on the way: the copy appears only if every byte was right.

        Raises as `read` does.
        """
        return self.put_stream(target, self.read(source), content_type)

    def read(self, expected: Expected) -> Iterator[bytes]:
        """Yield the object's bytes in blocks and verify its size and SHA-256. Commit nothing before the iterator ends.

        Raises `StorageUnavailable`, `ObjectGone`, and `ObjectCorrupt` as soon as a mismatch is certain.
        """
        digest, size_bytes = hashlib.sha256(), 0
        with _translated_errors():
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=expected.key)
            except self._client.exceptions.NoSuchKey as error:
                raise ObjectGone(f"the object {expected.key} is not in the bucket") from error
            body = answer["Body"]
            with body:
                _refuse_size(expected, answer["ContentLength"])
                for block in body.iter_chunks(_READ_BYTES):
                    digest.update(block)
                    size_bytes += len(block)
                    yield block
        _refuse_size(expected, size_bytes)
        if digest.hexdigest() != expected.sha256:
            raise ObjectCorrupt(f"the object {expected.key} has changed: its SHA-256 is not the stored one")

    def verify(self, expected: Expected) -> None:
        """Read an object to its end. Raises as `read` does."""
        for _ in self.read(expected):
            pass

    def holds(self, expected: Expected) -> bool:
        """Whether the object is there in its length, without reading it. Raises `StorageUnavailable`."""
        with _translated_errors():
            try:
                answer = self._client.head_object(Bucket=self.bucket, Key=expected.key)
            except ClientError as error:
                if _status(error) == HTTPStatus.NOT_FOUND:
                    return False
                raise
        return answer["ContentLength"] == expected.size_bytes

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with `prefix`, by key. Raises `StorageUnavailable`."""
        with _translated_errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            ):
                for item in page.get("Contents", []):
                    yield ListedObject(item["Key"], item["Size"], item["LastModified"])

    def open_uploads(self, prefix: str) -> Iterator[OpenUpload]:
        """Yield the multipart uploads under `prefix` that were begun and not ended. Raises `StorageUnavailable`."""
        with _translated_errors():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            for page in pages:
                for item in page.get("Uploads", []):
                    yield OpenUpload(item["Key"], item["UploadId"], item["Initiated"])

    def abort(self, upload: OpenUpload) -> None:
        """Drop an open multipart upload and its pieces. Raises `StorageUnavailable`."""
        with _translated_errors():
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id)

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already. Raises `StorageUnavailable`."""
        with _translated_errors():
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def presign(self, key: str, *, file_name: str, content_type: str, expires_s: int) -> str:
        """Sign a link to one object, for GET, as a download under `file_name`. Needs no call to the store."""
        if self._credentials is None:
            raise ConfigurationError("there are no S3 credentials to sign a link with")
        request = AWSRequest(
            "GET",
            f"{self._public_endpoint}/{self.bucket}/{quote(key, safe='/~')}",
            params={
                "response-content-disposition": f'attachment; filename="{file_name}"',
                "response-content-type": content_type,
                "response-cache-control": "no-store",
            },
        )
        # The signer that the client uses too, without the 3 times as long way to it through its parameter model.
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=expires_s).add_auth(request)
        return str(request.url)

    def check(self) -> None:
        """Raise `StorageUnavailable` or `ConfigurationError` unless the bucket answers to these credentials."""
        if not self._exists():
            raise ConfigurationError(
                f"the bucket {self.bucket} does not exist; make it with `python -m shared.storage`"
            )

    def refuse_public(self) -> None:
        """Raise `ConfigurationError` for a bucket that strangers can list or read, `StorageUnavailable` when it is away."""
        key = f"{_PROBES}{new_id()}"
        self.put(key, b"private", "text/plain")
        try:
            seen = self._is_open_to_strangers(key)
        finally:
            self.delete(key)
        if seen:
            raise ConfigurationError(f"the bucket {self.bucket} is public: anyone can read the reports")

    def _is_open_to_strangers(self, key: str) -> bool:
        unsigned: S3Client = boto3.client(
            "s3",
            endpoint_url=self._client.meta.endpoint_url,
            region_name=self._client.meta.region_name,
            config=self._client.meta.config.merge(Config(signature_version=UNSIGNED)),
        )
        try:
            return _is_granted(lambda: unsigned.get_object(Bucket=self.bucket, Key=key)) or _is_granted(
                lambda: unsigned.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            )
        finally:
            unsigned.close()

    def ensure_bucket(self) -> bool:
        """Make the bucket unless it is there; returns whether it was made now. Raises as `check` does."""
        if self._exists():
            return False
        try:
            self._client.create_bucket(Bucket=self.bucket)
        except (
            self._client.exceptions.BucketAlreadyOwnedByYou,
            self._client.exceptions.BucketAlreadyExists,
        ):
            return False  # another was faster
        except (BotoCoreError, ClientError) as error:
            raise StorageUnavailable("the object store did not make the bucket") from error
        return True

    def _exists(self) -> bool:
        try:
            self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            status = _status(error)
            if status == HTTPStatus.NOT_FOUND:
                return False
            if status == HTTPStatus.FORBIDDEN:
                raise ConfigurationError(f"the bucket {self.bucket} refuses these credentials") from error
            raise StorageUnavailable("the object store answers with an error") from error
        except BotoCoreError as error:
            raise StorageUnavailable("the object store did not answer") from error
        return True


class ObjectWriter(RawIOBase):
    """An object under way. It knows its position and cannot seek."""

    def __init__(self, key: str, pieces: "_Pieces", on_piece: Callable[[], None]) -> None:
        self._key, self._pieces, self._on_piece = key, pieces, on_piece
        self._digest, self._size_bytes, self._buffer = hashlib.sha256(), 0, bytearray()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size_bytes

    def write(self, data: "ReadableBuffer") -> int:
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._size_bytes += len(view)
        self._buffer += view
        while len(self._buffer) >= _PIECE_BYTES:
            self._on_piece()
            self._pieces.upload(bytes(self._buffer[:_PIECE_BYTES]))
            del self._buffer[:_PIECE_BYTES]
        return len(view)

    def close(self) -> None:
        """Do nothing: the block of `Storage.writing` ends the object, not a library that was lent it, and no finaliser."""

    def finish(self) -> None:
        """Send the rest; the object is there when this returns."""
        self._pieces.finish(bytes(self._buffer))

    def stored(self) -> StoredObject:
        """What was written."""
        return StoredObject(self._key, self._size_bytes, self._digest.hexdigest())


class _Pieces:
    """A multipart upload that begins with the second piece: a small object is one PUT."""

    def __init__(self, client: "S3Client", bucket: str, key: str, content_type: str) -> None:
        self._client, self._bucket, self._key, self._content_type = client, bucket, key, content_type
        self._upload_id: str | None = None
        self._tags: list[str] = []

    def upload(self, piece: bytes) -> None:
        if self._upload_id is None:
            self._upload_id = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=self._key, ContentType=self._content_type
            )["UploadId"]
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=len(self._tags) + 1,
            Body=piece,
        )
        self._tags.append(answer["ETag"])

    def finish(self, rest: bytes) -> None:
        if self._upload_id is None:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key, Body=rest, ContentType=self._content_type
            )
            return
        if rest:
            self.upload(rest)
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(self._tags, start=1)]
            },
        )

    def abort(self) -> None:
        if self._upload_id is not None:
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._key, UploadId=self._upload_id
                )
            except (BotoCoreError, ClientError):
                return  # the store is away; an open upload is garbage, not damage


def make_storage(settings: Settings, patience: Patience = PATIENT) -> Storage:
    """Build the client from the settings; connects to nothing yet."""
    client = make_client(settings, settings.s3_endpoint, patience)
    return Storage(
        client,
        settings.s3_bucket,
        settings.s3_public_endpoint or client.meta.endpoint_url,
        _session(settings).get_credentials(),
    )


def make_client(settings: Settings, endpoint: str, patience: Patience = PATIENT) -> "S3Client":
    """A client for one endpoint, with the settings' credentials; connects to nothing yet."""
    return _session(settings).client(
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


def _refuse_size(expected: Expected, size_bytes: int) -> None:
    if size_bytes != expected.size_bytes:
        raise ObjectCorrupt(
            f"the object {expected.key} has changed: it has {size_bytes:,} bytes instead of {expected.size_bytes:,}"
        )


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _is_granted(look: Callable[[], object]) -> bool:
    try:
        look()
    except ClientError:
        return False
    except BotoCoreError as error:
        raise StorageUnavailable("the object store did not answer") from error
    return True


def _session(settings: Settings) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=settings.s3_access_key or None,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value() or None,
        region_name=settings.s3_region,
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable("the object store did not answer as expected") from error


def main() -> None:
    """Make the reports' bucket unless it is there: `python -m shared.storage`, once, before the services start."""
    log = structlog.get_logger()
    configure_logging("storage", "INFO")
    try:
        made = make_storage(load_settings().require("s3_bucket")).ensure_bucket()
    except UptillError as error:
        log.error("bucket_failed", error=str(error))  # noqa: TRY400 - the text says it; a trace adds nothing
        raise SystemExit(1) from None
    log.info("bucket_ready", made=made)


if __name__ == "__main__":
    main()
