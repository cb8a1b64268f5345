"""One bucket, and everything that services do with its objects."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from shared.errors import ConfigurationError
from shared.ids import new_id
from shared.settings import Settings
from shared.storage.bucket import bucket_exists, create_bucket, is_readable_by_strangers
from shared.storage.client import PATIENT, Patience, make_client, make_session, status_of, translated_errors
from shared.storage.link import LinkTarget
from shared.storage.multipart import MultipartUpload
from shared.storage.objects import Expected, FetchedObject, ListedObject, OpenUpload, StoredObject
from shared.storage.reader import fetch_object, read_object, read_range
from shared.storage.writer import ObjectWriter

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PROBES = "checks/"
# Pieces of a stream that are sent at the same time. A merge of 46 MB takes half as long as with one after another.
_AHEAD = 3


class Storage:
    """One bucket. `public_endpoint` is where links point to, signed with `credentials`. Thread-safe."""

    def __init__(
        self, client: "S3Client", bucket: str, public_endpoint: str, credentials: Credentials | None
    ) -> None:
        self._client = client
        self.bucket = bucket
        self._links = LinkTarget(public_endpoint.rstrip("/"), bucket, client.meta.region_name, credentials)

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Write an object in one call. Raises `StorageUnavailable`."""
        with translated_errors():
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)
        return StoredObject(key, len(data), hashlib.sha256(data).hexdigest())

    def put_stream(self, key: str, blocks: Iterable[bytes], content_type: str) -> StoredObject:
        """Write an object from blocks. Nothing is written if `blocks` raises. Raises `StorageUnavailable`.

        Holds one piece of it, and those that are sent at the same time.
        """
        with self.writing(key, content_type, ahead=_AHEAD) as target:
            for block in blocks:
                target.write(block)
        return target.stored()

    def put_joined(self, key: str, objects: Iterable[FetchedObject], content_type: str) -> StoredObject:
        """Write an object from other objects of this bucket, one after another. As `put_stream` otherwise.

        The store copies what is large enough by itself, if it still has the very object that was fetched. It gets the
        fetched bytes of all others.
        """
        with self.writing(key, content_type, ahead=_AHEAD) as target:
            for each in objects:
                target.append(each)
        return target.stored()

    @contextmanager
    def writing(
        self, key: str, content_type: str, *, on_piece: Callable[[], None] = lambda: None, ahead: int = 0
    ) -> Iterator[ObjectWriter]:
        """Yield a file to write an object into. The object appears when the block ends, and never if it raises.

        One piece of it is held, and up to `ahead` that are on their way meanwhile. `on_piece` is called before each is sent.
        Raises `StorageUnavailable`.
        """
        upload = MultipartUpload(self._client, self.bucket, key, content_type, ahead=ahead)
        try:
            with translated_errors():
                target = ObjectWriter(key, upload, on_piece)
                yield target
                target.finish()
        except BaseException:
            upload.abort()
            raise

    def copy(self, source: Expected, target: str, content_type: str) -> StoredObject:
        """Copy an object within the bucket. The copy appears only if every byte was right. Raises as `read` does."""
        return self.put_stream(target, self.read(source), content_type)

    def read(self, expected: Expected) -> Iterator[bytes]:
        """Yield the object's bytes in blocks and verify its size and SHA-256. Commit nothing before the iterator ends.

        Raises `StorageUnavailable`, `ObjectGone`, and `ObjectCorrupt` as soon as a mismatch is certain.
        """
        return read_object(self._client, self.bucket, expected)

    def fetch(self, expected: Expected) -> FetchedObject:
        """Return the verified bytes of an object that is small enough to be held. Raises as `read` does."""
        return fetch_object(self._client, self.bucket, expected)

    def read_range(self, key: str, first: int, length: int) -> bytes:
        """Return `length` bytes of an object from the byte `first` on, not verified; fewer if the object ends before.

        Raises `StorageUnavailable`, `ObjectGone` and `ObjectCorrupt`.
        """
        return read_range(self._client, self.bucket, key, first, length)

    def verify(self, expected: Expected) -> None:
        """Read an object to its end. Raises as `read` does."""
        for _ in self.read(expected):
            pass

    def holds(self, expected: Expected) -> bool:
        """Return whether the object exists with its length, without reading it. Raises `StorageUnavailable`."""
        with translated_errors():
            try:
                answer = self._client.head_object(Bucket=self.bucket, Key=expected.key)
            except ClientError as error:
                if status_of(error) == HTTPStatus.NOT_FOUND:
                    return False
                raise
        return answer["ContentLength"] == expected.size_bytes

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with `prefix`, by key. Raises `StorageUnavailable`."""
        with translated_errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", []):
                    yield ListedObject(item["Key"], item["Size"], item["LastModified"])

    def open_uploads(self, prefix: str) -> Iterator[OpenUpload]:
        """Yield the multipart uploads under `prefix` that were begun and not ended. Raises `StorageUnavailable`."""
        with translated_errors():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            for page in pages:
                for item in page.get("Uploads", []):
                    yield OpenUpload(item["Key"], item["UploadId"], item["Initiated"])

    def abort(self, upload: OpenUpload) -> None:
        """Drop an open multipart upload and its pieces. Raises `StorageUnavailable`."""
        with translated_errors():
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id)

    def delete(self, key: str) -> None:
        """Delete an object. A missing object is not an error. Raises `StorageUnavailable`."""
        with translated_errors():
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def presign(self, key: str, *, file_name: str, content_type: str, expires_s: int) -> str:
        """Return a link that downloads one object as `file_name`. Needs no call to the store."""
        return self._links.sign_link(key, file_name=file_name, content_type=content_type, expires_s=expires_s)

    def check(self) -> None:
        """Raise `StorageUnavailable` or `ConfigurationError` unless the bucket answers to these credentials."""
        if not bucket_exists(self._client, self.bucket):
            raise ConfigurationError(
                f"the bucket {self.bucket} does not exist; make it with `python -m shared.storage`"
            )

    def ensure_bucket(self) -> bool:
        """Create the bucket unless it exists; return whether this call did. Raises as `check` does."""
        return create_bucket(self._client, self.bucket)

    def refuse_public(self) -> None:
        """Raise `ConfigurationError` if strangers can list or read the bucket, `StorageUnavailable` if it is away."""
        key = f"{_PROBES}{new_id()}"
        self.put(key, b"private", "text/plain")
        try:
            is_public = is_readable_by_strangers(self._client, self.bucket, key)
        finally:
            self.delete(key)
        if is_public:
            raise ConfigurationError(f"the bucket {self.bucket} is public: anyone can read the reports")


def make_storage(settings: Settings, patience: Patience = PATIENT) -> Storage:
    """Return the bucket that the settings name. It does not connect yet."""
    client = make_client(settings, settings.s3_endpoint, patience)
    return Storage(
        client,
        settings.s3_bucket,
        settings.s3_public_endpoint or client.meta.endpoint_url,
        make_session(settings).get_credentials(),
    )
