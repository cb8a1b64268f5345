"""The secrets of one sign-in, all made from a random token that only the browser's cookie holds."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Final

LONGEST_S: Final = 600
_PARTS: Final = 3


@dataclass(frozen=True)
class Flow:
    """A sign-in that was started. `target` is the path to show afterwards, as the browser asked for it."""

    token: str
    started_s: int
    target: str

    @classmethod
    def start(cls, target: str) -> "Flow":
        """Start a sign-in now."""
        return cls(secrets.token_urlsafe(32), int(time.time()), target)

    @classmethod
    def from_cookie(cls, text: str) -> "Flow | None":
        """Return the sign-in of a cookie; None if there is none, or if it was started too long ago."""
        parts = text.split(".")
        if len(parts) != _PARTS:
            return None
        token, started, target = parts
        try:
            flow = cls(token, int(started), base64.urlsafe_b64decode(target).decode())
        except (ValueError, binascii.Error):
            return None
        return flow if 0 <= time.time() - flow.started_s <= LONGEST_S else None

    def as_cookie(self) -> str:
        """Return the value of the cookie."""
        return f"{self.token}.{self.started_s}.{base64.urlsafe_b64encode(self.target.encode()).decode()}"

    @property
    def state(self) -> str:
        """What the provider must send back, so that no other site can finish the sign-in."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """What the ID token must hold, so that it was made for this sign-in."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """What proves to the provider that its code is redeemed by who asked for it (PKCE)."""
        return self._derive("verifier")

    def _derive(self, purpose: str) -> str:
        return hmac.digest(self.token.encode(), f"uptill sign-in {purpose}".encode(), hashlib.sha256).hex()
