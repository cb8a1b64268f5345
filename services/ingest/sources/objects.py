"""Objects of an S3 store as sources. A stream that breaks resumes at its last byte.

The ETag of every response is compared with the first, so that versions of an object are never mixed.
"""

import io
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from services.ingest.sources.seekable_blocks import SeekableBlocks
from services.ingest.sources.source import BLOCK_BYTES
from shared.errors import BadInputFile, StorageUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SCHEME = "s3://"
_MAX_FAILURES = 5  # in a row, without a byte in between
_FIRST_PAUSE_S = 0.2  # doubled after every failure
REFUSED_STATUSES = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}


@dataclass(frozen=True)
class ObjectSource:
    """One version of one object. Reading raises `StorageUnavailable` if the store stays away."""

    client: "S3Client" = field(repr=False)
    bucket: str
    key: str
    etag: str
    size_bytes: int
    is_rereadable: bool = True

    @property
    def version(self) -> str:
        return self.etag

    @property
    def name(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    def read_blocks(self) -> Generator[bytes]:
        return self.read_blocks_from(0)

    def open_seekable(self) -> io.RawIOBase:
        return SeekableBlocks(self)

    def read_blocks_from(self, position: int) -> Generator[bytes]:
        """Yield the bytes from this position on. Raise `BadInputFile` (`changed_during_read`, `io`)."""
        failures = 0
        while position < self.size_bytes:
            try:
                for block in self._request_from(position):
                    position += len(block)
                    failures = 0
                    yield block
            except (BotoCoreError, ClientError, OSError) as error:
                failures += 1
                self._refuse_retry(error, failures, position)
                time.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1))

    def _request_from(self, position: int) -> Iterator[bytes]:
        answer = self.client.get_object(Bucket=self.bucket, Key=self.key, Range=f"bytes={position}-")
        with closing(answer["Body"]) as body:
            if answer["ETag"] != self.etag:
                raise _refuse_changed()
            yield from body.iter_chunks(BLOCK_BYTES)

    def _refuse_retry(self, error: Exception, failures: int, position: int) -> None:
        status = status_of(error)
        if status in _GONE:
            raise _refuse_changed() from error
        if status in REFUSED_STATUSES:
            raise BadInputFile("io", f"{self.name}: the object store refuses these credentials") from error
        if failures >= _MAX_FAILURES:
            message = f"{self.name}: reading failed {failures} times at byte {position:,}; the object store is not reachable"
            raise StorageUnavailable(message) from error


def status_of(error: Exception) -> int:
    """Return the HTTP status of a client error, or 0 if there was no response."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] if isinstance(error, ClientError) else 0


def _refuse_changed() -> BadInputFile:
    return BadInputFile(
        "changed_during_read", "the object was replaced or removed while it was read; load it again"
    )
