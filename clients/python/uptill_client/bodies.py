"""Bodies of uploads, block by block: one file, or a form with several."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

_BLOCK_BYTES = 1 << 20
_BOUNDARY = f"uptill-{uuid4().hex}"
FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def form_blocks(paths: Sequence[Path]) -> Iterator[bytes]:
    """Yield a form with one part for each file (RFC 7578)."""
    for path in paths:
        # Browsers send names in UTF-8 with these three characters escaped.
        name = path.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        yield (
            f"--{_BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "replace")
        yield from read_blocks(path)
        yield b"\r\n"
    yield f"--{_BOUNDARY}--\r\n".encode()
