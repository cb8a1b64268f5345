"""Verify an ID token: who signed it, for whom, for which sign-in, and until when."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    DecodeError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    MissingKeyError,
)
from joserfc.jwk import KeySet

from services.api.oidc.errors import SignInRefused

# Only signatures that the provider alone can make: none with a shared secret, and never no signature.
_ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
]
_LEEWAY_S: Final = 30


class UnknownKey(Exception):
    """None of the keys has signed the token. The provider may have new ones."""


@dataclass(frozen=True)
class ExpectedToken:
    """What the token must say."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str


def verify_id_token(token: str, keys: Mapping[str, Any], expected: ExpectedToken) -> Mapping[str, Any]:
    """Return the claims of a valid token. Raises `UnknownKey` and `SignInRefused`."""
    try:
        decoded = jwt.decode(token, KeySet.import_key_set({"keys": keys.get("keys", [])}), _ALGORITHMS)
    except (BadSignatureError, InvalidKeyIdError, MissingKeyError) as error:
        raise UnknownKey from error
    except (JoseError, DecodeError, ValueError) as error:
        raise SignInRefused(
            "the sign-in service sent no valid proof of who you are: sign in again"
        ) from error
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
            "sub": {"essential": True},
        },
        {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token},
    )
    try:
        claims.validate(leeway=_LEEWAY_S)
    except ExpiredTokenError as error:
        raise SignInRefused("the sign-in has expired: sign in again") from error
    except JoseError as error:
        raise SignInRefused("the proof of who you are was made for another sign-in: sign in again") from error
    return dict(claims)
