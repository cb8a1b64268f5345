"""Write an object piece by piece, holding no more than a few pieces of it."""

import hashlib
from collections.abc import Callable
from io import RawIOBase
from typing import TYPE_CHECKING

from shared.storage.multipart import LEAST_PIECE_BYTES, MultipartUpload
from shared.storage.objects import FetchedObject, StoredObject

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PIECE_BYTES = 8 * 1024 * 1024


class ObjectWriter(RawIOBase):
    """A file that becomes an object. It knows its position and cannot seek."""

    def __init__(self, key: str, upload: MultipartUpload, on_piece: Callable[[], None]) -> None:
        self._key, self._upload, self._on_piece = key, upload, on_piece
        self._digest, self._size_bytes = hashlib.sha256(), 0
        self._piece, self._held_bytes = bytearray(_PIECE_BYTES), 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size_bytes

    def write(self, data: "ReadableBuffer") -> int:
        view = memoryview(data).cast("B")
        self._note(view)
        written = 0
        while written < len(view):
            some = view[written : written + _PIECE_BYTES - self._held_bytes]
            self._piece[self._held_bytes : self._held_bytes + len(some)] = some
            self._held_bytes += len(some)
            written += len(some)
            if self._held_bytes == _PIECE_BYTES:
                self._send_held()
        return written

    def append(self, found: FetchedObject) -> None:
        """Write the bytes of an object of the same bucket. A large one becomes a piece of its own, which the store copies."""
        if len(found.data) < LEAST_PIECE_BYTES or 0 < self._held_bytes < LEAST_PIECE_BYTES:
            self.write(found.data)
            return
        if self._held_bytes:
            self._send_held()
        self._note(memoryview(found.data))
        self._on_piece()
        self._upload.copy_piece(found)

    def _note(self, view: memoryview) -> None:
        self._digest.update(view)
        self._size_bytes += len(view)

    def _send_held(self) -> None:
        self._on_piece()
        self._upload.send_piece(bytes(memoryview(self._piece)[: self._held_bytes]))
        self._held_bytes = 0

    def close(self) -> None:
        """Do nothing. The block of `Storage.writing` ends the object; a library that closes its file must not."""

    def finish(self) -> None:
        """Send the rest. The object exists when this returns."""
        self._upload.finish(bytes(memoryview(self._piece)[: self._held_bytes]))

    def stored(self) -> StoredObject:
        """Return what was written."""
        return StoredObject(self._key, self._size_bytes, self._digest.hexdigest())
