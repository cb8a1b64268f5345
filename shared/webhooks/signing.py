"""Signatures as Standard Webhooks has them: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret that can be shown once."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(
    message_id: str, sent_at_s: int, body: bytes, with_secrets: Sequence[str]
) -> Mapping[str, str]:
    """The three headers; a receiver accepts the message if one of the signatures is right."""
    signatures = (f"v1,{_sign(secret, message_id, sent_at_s, body)}" for secret in with_secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(signatures),
    }


def _sign(secret: str, message_id: str, sent_at_s: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{message_id}.{sent_at_s}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
