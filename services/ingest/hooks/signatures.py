"""Checks who sent a call: Standard Webhooks, other HMAC headers, or a token. Secrets are compared in constant time."""

import base64
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.ingest.hooks.signed_text import SignedText
from shared.webhooks.secret import sign_message

Failure = Literal["missing", "wrong", "stale"]
# Of one call, and the whole header. A sender signs with two secrets while it rotates them.
_MOST_SIGNATURES: Final = 9
_SEPARATORS = re.compile(r"[ ,]+")
_WHOLE = re.compile(r"[0-9]{1,16}", re.ASCII)
_UNIT_S: Final[Mapping[str, float]] = {"s": 1.0, "ms": 1e-3}


@dataclass(frozen=True)
class Proof:
    """What a signature proved: the id of the message, if the sender signed one."""

    message_id: str | None = None


@dataclass(frozen=True)
class StandardWebhooks:
    """The three headers of Standard Webhooks 1.0."""

    tolerance_s: int

    def check(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float
    ) -> Proof | Failure:
        """Return what is proved, or why nothing is."""
        message_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
        given = headers.get("webhook-signature")
        if not message_id or not timestamp or not given:
            return "missing"
        sent = [text.removeprefix("v1,") for text in given.split(" ") if text.startswith("v1,")]
        wanted = (sign_message(secret, message_id, timestamp, body) for secret in secrets)
        if not _any_equal(sent, wanted):
            return "wrong"
        return Proof(message_id) if _is_recent(timestamp, "s", self.tolerance_s, now_s) else "stale"


@dataclass(frozen=True)
class HmacHeader:
    """One header with an HMAC of the body, and of what else the sender signs. Header names are in lower case."""

    header: str
    algorithm: str
    encoding: str
    prefix: str
    signed: SignedText
    timestamp_header: str | None
    timestamp_unit: str
    tolerance_s: int
    id_header: str | None

    def check(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float
    ) -> Proof | Failure:
        """Return what is proved, or why nothing is."""
        given, signed = headers.get(self.header), self.signed.fill(headers, body)
        if not given or signed is None:
            return "missing"
        # The whole header comes first, for a prefix with a space, such as `HMAC `.
        sent = [
            text.removeprefix(self.prefix)
            for text in (given, *_SEPARATORS.split(given))
            if text.startswith(self.prefix)
        ]
        digests = (hmac.digest(secret.encode(), signed, self.algorithm) for secret in secrets)
        is_hex = self.encoding == "hex"
        wanted = (digest.hex() if is_hex else base64.b64encode(digest).decode() for digest in digests)
        if not _any_equal([text.lower() for text in sent] if is_hex else sent, wanted):
            return "wrong"
        if self.timestamp_header is not None:
            timestamp = headers[self.timestamp_header]
            if not _is_recent(timestamp, self.timestamp_unit, self.tolerance_s, now_s):
                return "stale"
        return Proof(headers.get(self.id_header) if self.id_header else None)


@dataclass(frozen=True)
class StaticToken:
    """A header with a secret text, for senders that sign nothing."""

    header: str
    prefix: str

    def check(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float
    ) -> Proof | Failure:
        """Return what is proved, or why nothing is."""
        del body, now_s
        given = headers.get(self.header)
        if not given:
            return "missing"
        if not given.startswith(self.prefix):
            return "wrong"
        return Proof() if _any_equal([given.removeprefix(self.prefix)], secrets) else "wrong"


@dataclass(frozen=True)
class ApiKeyCaller:
    """An API key of Uptill with the scope `ingest:write` instead of a signature."""


SignatureScheme = StandardWebhooks | HmacHeader | StaticToken | ApiKeyCaller


def make_scheme(document: Mapping[str, Any]) -> SignatureScheme:
    """Build the scheme of a checked document. Raise ValueError if what is signed does not fit the named headers."""
    tolerance_s = document.get("tolerance_s") or 300
    match document["scheme"]:
        case "standard_webhooks":
            return StandardWebhooks(tolerance_s)
        case "token":
            return StaticToken(document["header"].lower(), document.get("prefix") or "")
        case "api_key":
            return ApiKeyCaller()
    timestamp_header, id_header = document.get("timestamp_header"), document.get("id_header")
    signed = SignedText.parse(
        document.get("signed") or "{body}", timestamp_header=timestamp_header, id_header=id_header
    )
    return HmacHeader(
        header=document["header"].lower(),
        algorithm=document.get("algorithm") or "sha256",
        encoding=document.get("encoding") or "hex",
        prefix=document.get("prefix") or "",
        signed=signed,
        timestamp_header=timestamp_header and timestamp_header.lower(),
        timestamp_unit=document.get("timestamp_unit") or "s",
        tolerance_s=tolerance_s,
        id_header=id_header and id_header.lower(),
    )


def _any_equal(sent: Sequence[str], wanted: Iterable[str]) -> bool:
    """Whether one of the sent texts is one of the wanted ones. The time depends only on how many there are."""
    given = [text.encode("utf-8", "surrogateescape") for text in sent[:_MOST_SIGNATURES]]
    matches = [hmac.compare_digest(one, text.encode()) for text in wanted for one in given]
    return any(matches)


def _is_recent(timestamp: str, unit: str, tolerance_s: int, now_s: float) -> bool:
    return (
        _WHOLE.fullmatch(timestamp) is not None and abs(int(timestamp) * _UNIT_S[unit] - now_s) <= tolerance_s
    )
