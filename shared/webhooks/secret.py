"""Secrets that sign webhooks, as Standard Webhooks writes them."""

import base64
import secrets

SECRET_PREFIX = "whsec_"  # noqa: S105 - it marks a secret and is none
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret that can be shown once."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
