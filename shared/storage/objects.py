"""Objects of a bucket as values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Expected(Protocol):
    """What an object must be, by a row of the database: `size_bytes` bytes with this `sha256`, in hex."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class StoredObject:
    """An object as it was written; `sha256` in hex."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class FetchedObject:
    """The verified bytes of an object, and the tag by which the store knows these bytes."""

    key: str
    data: bytes = field(repr=False)
    tag: str


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
