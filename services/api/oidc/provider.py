"""The OpenID provider: its addresses and keys, and the exchange of a code for what it says about a person."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from services.api.oidc.errors import ProviderAway, SignInRefused
from services.api.oidc.flow import Flow
from services.api.oidc.id_token import ExpectedToken, UnknownKey, verify_id_token
from services.api.oidc.person import Person
from services.api.oidc.terms import ProviderTerms, require_safe_url

_CONNECT_S, _ANSWER_S = 3.0, 8.0
_AT_ONCE: Final = 8  # sign-ins under way; more would queue for a provider that hangs
_METADATA_FOR_S: Final = 3600.0
_KEYS_AGAIN_S: Final = 5.0  # unknown keys are looked for at most once in this time
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_SCOPES: Final = ("openid", "profile", "email")
_log = structlog.get_logger()


class Provider:
    """One provider. Its metadata and keys are remembered; keys that changed are read again."""

    def __init__(self, terms: ProviderTerms) -> None:
        self.terms = terms
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @property
    def host(self) -> str:
        """The name of the provider's host, for people."""
        return urlsplit(self.terms.issuer).netloc

    async def authorization_url(self, flow: Flow) -> str:
        """Return the address where the person signs in. Raises `ProviderAway`."""
        async with self._client() as client:
            metadata = await self._read_metadata(client)
            known = metadata.get("scopes_supported")
            # Some providers send groups only if they are asked to, and others refuse a scope that they do not know.
            scopes = (*_SCOPES, "groups") if isinstance(known, list) and "groups" in known else _SCOPES
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=flow.state,
                nonce=flow.nonce,
                code_verifier=flow.verifier,
                scope=" ".join(scopes),
            )
            return str(url)

    async def identify(self, code: str, flow: Flow) -> Person:
        """Redeem a code and return who it was given for. Raises `ProviderAway` and `SignInRefused`."""
        async with self._client() as client:
            metadata = await self._read_metadata(client)
            token = await client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=flow.verifier,
            )
            claims = await self._verify(client, metadata, token, flow)
            groups = claims.get(self.terms.groups_claim)
            if groups is None and "userinfo_endpoint" in metadata:
                groups = await self._read_groups(client, metadata["userinfo_endpoint"], claims["sub"])
        return Person(str(claims["sub"]), _name_of(claims), _as_groups(groups))

    async def _verify(
        self, client: AsyncOAuth2Client, metadata: Mapping[str, Any], token: Mapping[str, Any], flow: Flow
    ) -> Mapping[str, Any]:
        terms = self.terms
        expected = ExpectedToken(
            terms.issuer, terms.client_id, flow.nonce, str(token.get("access_token", ""))
        )
        id_token = str(token.get("id_token", ""))
        keys = await self._read_keys(client, metadata["jwks_uri"], again=False)
        try:
            return verify_id_token(id_token, keys, expected)
        except UnknownKey:
            keys = await self._read_keys(client, metadata["jwks_uri"], again=True)
        try:
            return verify_id_token(id_token, keys, expected)
        except UnknownKey as error:
            raise SignInRefused(
                "the sign-in service signed its answer with an unknown key: sign in again"
            ) from error

    async def _read_groups(self, client: AsyncOAuth2Client, url: str, subject: str) -> object:
        found = (await client.get(url)).raise_for_status().json()
        if not isinstance(found, dict) or found.get("sub") != subject:
            raise SignInRefused("the sign-in service answered for another person: sign in again")
        return found.get(self.terms.groups_claim)

    async def _read_metadata(self, client: AsyncOAuth2Client) -> Mapping[str, Any]:
        if self._metadata is not None and time.monotonic() - self._metadata[0] < _METADATA_FOR_S:
            return self._metadata[1]
        found = await _read_json(client, f"{self.terms.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.terms.issuer:
            raise ProviderAway(f"its configuration names the issuer {found.get('issuer')!r}")
        try:
            for name in _NEEDED:
                require_safe_url(name, str(found.get(name, "")))
        except ValueError as error:
            raise ProviderAway(f"its configuration is not usable: {error}") from None
        self._metadata = time.monotonic(), found
        return found

    async def _read_keys(self, client: AsyncOAuth2Client, url: str, *, again: bool) -> Mapping[str, Any]:
        known_for_s = _KEYS_AGAIN_S if again else _METADATA_FOR_S
        if self._keys is not None and time.monotonic() - self._keys[0] < known_for_s:
            return self._keys[1]
        found = await _read_json(client, url)
        self._keys = time.monotonic(), found
        return found

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncOAuth2Client]:
        """Yield a client for one sign-in, and translate what goes wrong."""
        if self._turns.locked():
            raise ProviderAway("too many people are signing in at this moment")
        terms = self.terms
        try:
            async with (
                self._turns,
                asyncio.timeout(2 * _ANSWER_S),
                AsyncOAuth2Client(
                    client_id=terms.client_id,
                    client_secret=terms.client_secret.get_secret_value() or None,
                    token_endpoint_auth_method=None if terms.client_secret.get_secret_value() else "none",
                    redirect_uri=terms.redirect_url,
                    code_challenge_method="S256",
                    timeout=httpx2.Timeout(_ANSWER_S, connect=_CONNECT_S),
                    follow_redirects=False,
                    trust_env=False,
                ) as client,
            ):
                yield client
        except OAuthError as error:
            _log.info("sign_in_refused", error=error.error)
            raise SignInRefused("the sign-in service did not accept the sign-in: sign in again") from None
        except (httpx2.HTTPError, TimeoutError, OSError, ValueError) as error:
            _log.warning("provider_unavailable", error=type(error).__name__)
            raise ProviderAway(f"it did not answer as expected ({type(error).__name__})") from None


async def _read_json(client: AsyncOAuth2Client, url: str) -> Mapping[str, Any]:
    found = (await client.request("GET", url, withhold_token=True)).raise_for_status().json()
    if not isinstance(found, dict):
        raise ProviderAway("its answer is not a JSON object")
    return found


def _name_of(claims: Mapping[str, Any]) -> str:
    names = (claims.get(claim) for claim in ("email", "preferred_username", "name", "sub"))
    return next(name for name in names if isinstance(name, str) and name.strip())


def _as_groups(value: object) -> Collection[str]:
    if isinstance(value, str):
        return {value}
    return {group for group in value if isinstance(group, str)} if isinstance(value, list) else set()
