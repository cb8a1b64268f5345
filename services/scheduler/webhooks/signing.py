"""Sign webhooks as Standard Webhooks does.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from shared.webhooks.secret import SECRET_PREFIX


def signed_headers(
    message_id: str, sent_at_s: int, body: bytes, with_secrets: Sequence[str]
) -> Mapping[str, str]:
    """Return the three headers. A receiver accepts the message if one of the signatures is right."""
    signatures = (f"v1,{_sign_message(secret, message_id, sent_at_s, body)}" for secret in with_secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(signatures),
    }


def _sign_message(secret: str, message_id: str, sent_at_s: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{sent_at_s}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
