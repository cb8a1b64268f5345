"""The page's own files. Their URLs hold a fingerprint, so that browsers may keep them for a year."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from shared.http.auth import public
from shared.http.docs import TAKES_GZIP

_FOLDER = Path(__file__).with_name("assets")
_TYPES = {
    "uptill.css": "text/css; charset=utf-8",
    "uptill.js": "text/javascript; charset=utf-8",
    "now.js": "text/javascript; charset=utf-8",
    "imports.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"
_FINGERPRINT_DIGITS = 16

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])


@dataclass(frozen=True)
class Asset:
    """A file as it is sent, also packed with gzip."""

    content: bytes
    packed: bytes
    fingerprint: str


@cache
def load_asset(name: str) -> Asset:
    """Read one of the page's files. Raises KeyError for any other name."""
    content = (_FOLDER / name).read_bytes() if _TYPES[name] else b""
    fingerprint = hashlib.sha256(content).hexdigest()[:_FINGERPRINT_DIGITS]
    return Asset(content, gzip.compress(content, mtime=0), fingerprint)


def asset_path(name: str) -> str:
    """Return the path of a file below the page's root."""
    return f"assets/{load_asset(name).fingerprint}/{name}"


@router.get("/assets/{fingerprint}/{name}")
async def send_asset(fingerprint: str, name: str, request: Request) -> Response:
    """Send a file. Another fingerprint is that of another release, whose file is not here."""
    if name not in _TYPES or fingerprint != load_asset(name).fingerprint:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    asset = load_asset(name)
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if TAKES_GZIP.search(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.packed, media_type=_TYPES[name], headers=headers)
    return Response(asset.content, media_type=_TYPES[name], headers=headers)
