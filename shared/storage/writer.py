"""Write an object piece by piece, holding no more than one piece of it."""

import hashlib
from collections.abc import Callable
from io import RawIOBase
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.storage.objects import StoredObject

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from types_boto3_s3 import S3Client

# S3 requires at least 5 MiB for every piece but the last.
_PIECE_BYTES = 8 * 1024 * 1024


class ObjectWriter(RawIOBase):
    """A file that becomes an object. It knows its position and cannot seek."""

    def __init__(self, key: str, upload: "MultipartUpload", on_piece: Callable[[], None]) -> None:
        self._key, self._upload, self._on_piece = key, upload, on_piece
        self._digest, self._size_bytes = hashlib.sha256(), 0
        self._piece, self._held_bytes = bytearray(_PIECE_BYTES), 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size_bytes

    def write(self, data: "ReadableBuffer") -> int:
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._size_bytes += len(view)
        written = 0
        while written < len(view):
            some = view[written : written + _PIECE_BYTES - self._held_bytes]
            self._piece[self._held_bytes : self._held_bytes + len(some)] = some
            self._held_bytes += len(some)
            written += len(some)
            if self._held_bytes == _PIECE_BYTES:
                self._on_piece()
                self._upload.send_piece(bytes(self._piece))
                self._held_bytes = 0
        return written

    def close(self) -> None:
        """Do nothing. The block of `Storage.writing` ends the object; a library that closes its file must not."""

    def finish(self) -> None:
        """Send the rest. The object exists when this returns."""
        self._upload.finish(bytes(memoryview(self._piece)[: self._held_bytes]))

    def stored(self) -> StoredObject:
        """Return what was written."""
        return StoredObject(self._key, self._size_bytes, self._digest.hexdigest())


class MultipartUpload:
    """A multipart upload that begins with the second piece: a small object is one PUT."""

    def __init__(self, client: "S3Client", bucket: str, key: str, content_type: str) -> None:
        self._client, self._bucket, self._key, self._content_type = client, bucket, key, content_type
        self._upload_id: str | None = None
        self._tags: list[str] = []

    def send_piece(self, piece: bytes) -> None:
        """Send the next piece."""
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
        """Send the last piece and make the object."""
        if self._upload_id is None:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key, Body=rest, ContentType=self._content_type
            )
            return
        if rest:
            self.send_piece(rest)
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(self._tags, start=1)]
            },
        )

    def abort(self) -> None:
        """Drop what was sent. If the store is away the upload stays open, which is garbage and not damage."""
        if self._upload_id is not None:
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._key, UploadId=self._upload_id
                )
            except (BotoCoreError, ClientError):
                return
