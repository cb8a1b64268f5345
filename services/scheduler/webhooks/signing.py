"""Sign webhooks as Standard Webhooks does.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from collections.abc import Mapping, Sequence

from shared.webhooks.secret import sign_message


def signed_headers(
    message_id: str, sent_at_s: int, body: bytes, with_secrets: Sequence[str]
) -> Mapping[str, str]:
    """Return the three headers. A receiver accepts the message if one of the signatures is right."""
    signatures = (f"v1,{sign_message(secret, message_id, str(sent_at_s), body)}" for secret in with_secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(signatures),
    }
