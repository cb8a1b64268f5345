"""Names that callers give to files: which are refused at the edge, and how any name is stored."""

import hashlib
import re

from shared.texts import UNSEEN

MAX_NAME_CHARACTERS = 255
MAX_NAME_BYTES = 1024
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_KEPT_BYTES = 900  # of a longer name; its SHA-256 keeps it distinct


def find_name_fault(name: str) -> str | None:
    """Return what is wrong with the name of an uploaded file or an archive's member, or None."""
    if UNSEEN.search(name):
        return "the file name contains control or invisible characters; rename the file"
    if len(name) > MAX_NAME_CHARACTERS or len(name.encode()) > MAX_NAME_BYTES:
        return (
            f"the file name is longer than {MAX_NAME_CHARACTERS} characters or {MAX_NAME_BYTES:,} bytes;"
            " rename the file"
        )
    return None


def stored_name(name: str) -> str:
    """Return the name as the database keeps it: unchanged if possible, else escaped and shortened, but still distinct."""
    clean = _UNSTORABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", name)
    data = clean.encode()
    if len(data) <= MAX_NAME_BYTES:
        return clean
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{data[:_KEPT_BYTES].decode('utf-8', 'ignore')}…{digest}"


def escape_unstorable(text: str) -> str:
    """Return a message with the characters escaped that Postgres refuses."""
    return _UNSTORABLE.sub(lambda found: found[0] if found[0] in "\n\t" else f"\\x{ord(found[0]):02x}", text)
