"""Headers of a hook's call: UTF-8 or else Latin-1 for the mapping, and bytes for the signature."""

import hashlib
import hmac

import pytest
from starlette.datastructures import Headers

from services.ingest.hooks.call_terms import read_headers
from services.ingest.hooks.signatures import HmacHeader, Proof, make_scheme

SECRET = "client-secret-0123456789"


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"0042", "0042"),
        ("Zürich €".encode(), "Zürich €"),
        ("Zürich".encode("latin-1"), "Zürich"),
        (b"\xc3\x28", "Ã("),
    ],
)
def test_a_value_is_utf_8_or_else_latin_1(sent: bytes, text: str) -> None:
    assert read_headers([(b"x-store", sent), (b"x-store", b"second")]) == {"x-store": text}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_signature_covers_the_bytes(encoding: str) -> None:
    scheme = make_scheme({"scheme": "hmac", "header": "X-Signature", "signed": "§{header:X-Store}{body}"})
    assert isinstance(scheme, HmacHeader)
    store = "Zürich".encode(encoding)
    digest = hmac.new(SECRET.encode(), "§".encode() + store + b"{}", hashlib.sha256).hexdigest()
    headers = Headers(raw=[(b"x-store", store), (b"x-signature", digest.encode())])
    assert scheme.check(headers, b"{}", [SECRET], 0) == Proof()
