"""The object store, as plain S3. Each attempt writes its own keys, so correctness needs no conditional writes."""

from shared.storage.client import BRIEF, PATIENT, Patience, make_client
from shared.storage.objects import Expected, FetchedObject, ListedObject, OpenUpload, StoredObject
from shared.storage.storage import Storage, make_storage
from shared.storage.writer import ObjectWriter

__all__ = [
    "BRIEF",
    "PATIENT",
    "Expected",
    "FetchedObject",
    "ListedObject",
    "ObjectWriter",
    "OpenUpload",
    "Patience",
    "Storage",
    "StoredObject",
    "make_client",
    "make_storage",
]
