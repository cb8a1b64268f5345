"""Send the pieces of an object: several at the same time, and those that the store has already are copied there."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.storage.objects import FetchedObject

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# S3 requires it of every piece but the last.
LEAST_PIECE_BYTES = 5 * 1024 * 1024


class MultipartUpload:
    """A multipart upload that begins with the second piece: a small object is one PUT.

    Up to `ahead` pieces are on their way at the same time, while the caller makes the next one. Their memory is all that is
    held beside its own piece.
    """

    def __init__(
        self, client: "S3Client", bucket: str, key: str, content_type: str, *, ahead: int = 0
    ) -> None:
        self._client, self._bucket, self._key, self._content_type = client, bucket, key, content_type
        self._upload_id: str | None = None
        self._tags: list[str] = []
        self._ahead = ahead
        self._senders = ThreadPoolExecutor(ahead, "pieces") if ahead else None
        self._on_their_way: deque[Future[str]] = deque()

    def send_piece(self, piece: bytes) -> None:
        """Send the next piece. Raises the error of an earlier one that failed on its way."""
        self._add_piece(partial(self._send, piece))

    def copy_piece(self, found: FetchedObject) -> None:
        """Let the store copy an object as the next piece. Raises as `send_piece` does."""
        self._add_piece(partial(self._copy, found))

    def _add_piece(self, send: Callable[[str, int], str]) -> None:
        if self._upload_id is None:
            self._upload_id = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=self._key, ContentType=self._content_type
            )["UploadId"]
        number = len(self._tags) + len(self._on_their_way) + 1
        if self._senders is None:
            self._tags.append(send(self._upload_id, number))
            return
        self._await_pieces(self._ahead - 1)
        self._on_their_way.append(self._senders.submit(send, self._upload_id, number))

    def finish(self, rest: bytes) -> None:
        """Send the last piece and make the object."""
        if self._upload_id is None:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key, Body=rest, ContentType=self._content_type
            )
        else:
            if rest:
                self.send_piece(rest)
            self._await_pieces(0)
            self._complete(self._upload_id)
        self._stop_sending()

    def abort(self) -> None:
        """Drop what was sent. If the store is away the upload stays open, which is garbage and not damage."""
        # A piece that arrives after the end of its upload could stay in the store.
        self._stop_sending()
        if self._upload_id is not None:
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._key, UploadId=self._upload_id
                )
            except (BotoCoreError, ClientError):
                return

    def _send(self, piece: bytes, upload_id: str, number: int) -> str:
        """Send one piece; return its tag."""
        answer = self._client.upload_part(
            Bucket=self._bucket, Key=self._key, UploadId=upload_id, PartNumber=number, Body=piece
        )
        return answer["ETag"]

    def _copy(self, found: FetchedObject, upload_id: str, number: int) -> str:
        """Let the store copy one piece, if the object is still the one that was fetched; return its tag.

        If the store refuses, or has not copied, send what was fetched. That may replace the piece.
        """
        try:
            answer = self._client.upload_part_copy(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self._bucket, "Key": found.key},
                CopySourceIfMatch=found.tag,
            )
        except ClientError:
            return self._send(found.data, upload_id, number)
        # A store without this call may take it for an empty piece.
        tag = answer.get("CopyPartResult", {}).get("ETag")
        return tag or self._send(found.data, upload_id, number)

    def _await_pieces(self, most: int) -> None:
        """Wait until at most `most` pieces are on their way. The tags stay in the order of the pieces."""
        while len(self._on_their_way) > most:
            self._tags.append(self._on_their_way.popleft().result())

    def _complete(self, upload_id: str) -> None:
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(self._tags, start=1)]
            },
        )

    def _stop_sending(self) -> None:
        if self._senders is not None:
            self._senders.shutdown(cancel_futures=True)
