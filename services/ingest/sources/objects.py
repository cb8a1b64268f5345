"""Objects of an S3 store as sources: streamed, carried on from the last byte when a stream breaks. Knows no CSV.

Every answer's ETag is compared with the first, so that no two versions of an object are mixed.
"""

import io
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import BadInputFile, StorageUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from typing_extensions import Buffer

SCHEME = "s3://"
_BLOCK_BYTES = 1 << 20
_MAX_FAILURES = 5  # in a row, without a byte in between
_FIRST_PAUSE_S = 0.2  # doubled with every failure
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}


@dataclass(frozen=True)
class ObjectSource:
    """One version of one object. Raises `StorageUnavailable` when the store stays away."""

    client: "S3Client" = field(repr=False)
    bucket: str
    key: str
    etag: str
    size_bytes: int
    rereadable: bool = True

    @property
    def version(self) -> str:
        return self.etag

    @property
    def name(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    def blocks(self) -> Generator[bytes]:
        return self.blocks_from(0)

    def opened(self) -> io.RawIOBase:
        return _Seekable(self)

    def blocks_from(self, position: int) -> Generator[bytes]:
        """The bytes from this position on. Raises `BadInputFile` (`changed_during_read`, `io`)."""
        failures = 0
        while position < self.size_bytes:
            try:
                for block in self._answer(position):
                    position += len(block)
                    failures = 0
                    yield block
            except (BotoCoreError, ClientError, OSError) as error:
                failures += 1
                self._check_worth_another_try(error, failures, position)
                time.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1))

    def _answer(self, position: int) -> Iterator[bytes]:
        answer = self.client.get_object(Bucket=self.bucket, Key=self.key, Range=f"bytes={position}-")
        with closing(answer["Body"]) as body:
            if answer["ETag"] != self.etag:
                raise self._changed()
            yield from body.iter_chunks(_BLOCK_BYTES)

    def _check_worth_another_try(self, error: Exception, failures: int, position: int) -> None:
        status = _status(error)
        if status in _GONE:
            raise self._changed() from error
        if status in _REFUSED:
            raise BadInputFile("io", f"{self.name}: the object store refuses these credentials") from error
        if failures >= _MAX_FAILURES:
            message = (
                f"{self.name} broke off at byte {position:,}, {failures} times; the object store is away"
            )
            raise StorageUnavailable(message) from error

    def _changed(self) -> BadInputFile:
        return BadInputFile(
            "changed_during_read", "the object was replaced or removed while it was read; load it again"
        )


class _Seekable(io.RawIOBase):
    """An object as a file: one stream as long as it is read on, another after a jump."""

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._position = 0
        self._blocks: Generator[bytes] | None = None
        self._rest = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size_bytes}[whence]
        if start + offset < 0:
            raise ValueError("a position before the first byte")
        if start + offset != self._position:
            self._drop_stream()
            self._position = start + offset
        return self._position

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if self._blocks is None:
            self._blocks = self._source.blocks_from(self._position)
        if not self._rest:
            self._rest = next(self._blocks, b"")
        piece, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._drop_stream()
        super().close()

    def _drop_stream(self) -> None:
        if self._blocks is not None:
            self._blocks.close()
        self._blocks, self._rest = None, b""


def find_object(client: "S3Client", address: str) -> ObjectSource:
    """The object `s3://bucket/key`. Raises `BadInputFile` (`io`) and `StorageUnavailable`."""
    bucket, key = _parts(address)
    with _translated(address):
        head = client.head_object(Bucket=bucket, Key=key)
    return ObjectSource(client, bucket, key, head["ETag"], head["ContentLength"])


def find_objects(client: "S3Client", address: str) -> list[ObjectSource]:
    """All objects below `s3://bucket/prefix/`, in the order of their keys. Raises as `find_object` does."""
    bucket, prefix = _parts(address)
    with _translated(address):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            ObjectSource(client, bucket, found["Key"], found["ETag"], found["Size"])
            for page in pages
            for found in page.get("Contents", [])
        ]


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise BadInputFile("io", f"{address} names no bucket; write s3://bucket/key or s3://bucket/prefix/")
    return bucket, key


@contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        status = _status(error)
        if status == HTTPStatus.NOT_FOUND:
            raise BadInputFile("io", f"{address} is not there; check the bucket and the key") from error
        if status in _REFUSED:
            raise BadInputFile("io", f"{address}: the object store refuses these credentials") from error
        message = f"{address}: the object store did not answer; is UPTILL_S3_ENDPOINT right?"
        raise StorageUnavailable(message) from error


def _status(error: Exception) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"] if isinstance(error, ClientError) else 0
