"""Secrets that sign webhooks, and signatures, as Standard Webhooks writes them."""

import base64
import hashlib
import hmac
import secrets

SECRET_PREFIX = "whsec_"  # noqa: S105 - it marks a secret and is none
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret that can be shown once."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of_secret(secret: str) -> bytes:
    """Return the bytes that a secret stands for. Raise ValueError if it is not base64."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def sign_message(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of version 1, without its prefix."""
    signed = f"{message_id}.{timestamp}.".encode("latin-1", "replace") + body
    return base64.b64encode(hmac.digest(key_of_secret(secret), signed, hashlib.sha256)).decode()
