"""Authenticate callers, check their scopes and count their calls. Every route depends on `RequireScope(scope)` or `public`.

The application holds the keys in `app.state.keys` and the limits in `app.state.rates` and `app.state.open_calls`.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from shared.errors import AuthenticationError, ForbiddenError, RateLimited
from shared.http.idempotency import refuse_unusable_key
from shared.http.key_ring import KeyRing
from shared.http.open_calls import OpenCalls
from shared.http.rates import Rates, Work
from shared.http.session_callers import SessionCallers, presented_session
from shared.http.unknown_parameters import refuse_unknown_parameters
from shared.keys import ApiKey
from shared.texts import quoted

_WORK_OF_SCOPE = {
    "reports:write": Work.REPORT,
    "closures:write": Work.INGEST,
    "ingest:write": Work.INGEST,
}


@dataclass(frozen=True)
class RequireScope:
    """The dependency of a route that requires `scope`, or one of the scopes `or_else`.

    Reads the key from `Authorization: Bearer` or `X-API-Key`.
    """

    scope: str
    or_else: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """Each of these scopes is enough."""
        return (self.scope, *self.or_else)

    async def __call__(self, request: Request) -> ApiKey:
        """Return the key, checked and counted once per request.

        Raises `AuthenticationError` without a live key, `ForbiddenError` without the scope, `RateLimited`,
        `InvalidRequest` if the route does not have a parameter of the query, and `BadHeader`.
        """
        admitted: ApiKey | None = getattr(request.state, "caller", None)
        key = admitted or await self._admit_caller(request)
        refuse_unknown_parameters(request)
        refuse_unusable_key(request)
        return key

    async def find_key(self, request: Request) -> ApiKey:
        """Return the live key that the request presents. Raises `AuthenticationError`."""
        keys: KeyRing = request.app.state.keys
        sessions: SessionCallers | None = getattr(request.app.state, "session_callers", None)
        if sessions is not None and (token := presented_session(request)):
            return await keys.key_of_session(await sessions.find_key_prefix(token))
        return await keys.live_key(presented_key(request))

    async def _admit_caller(self, request: Request) -> ApiKey:
        key = await self.find_key(request)
        if not any(map(key.allows, self.scopes)):
            raise ForbiddenError(
                f"the key {quoted(key.name)} lacks the scope {' or '.join(self.scopes)}: use a key that has it"
            )
        rates: Rates = request.app.state.rates
        work = _WORK_OF_SCOPE.get(self.scope, Work.READ)
        try:
            request.state.rate_limit = await rates.admit(key.prefix, work)
        except RateLimited as error:
            request.state.rate_limit = rates.none_left(work, error.retry_after_s)
            raise
        open_calls: OpenCalls = request.app.state.open_calls
        open_calls.enter(key.prefix)
        request.state.caller = key
        if (connection := getattr(request.state, "connection", None)) is not None:
            connection.admit()
        return key


def leave(scope: MutableMapping[str, Any]) -> None:
    """Count the end of a call, if a key made it."""
    key: ApiKey | None = scope.get("state", {}).get("caller")
    if key is not None:
        open_calls: OpenCalls = scope["app"].state.open_calls
        open_calls.leave(key.prefix)


async def public() -> None:
    """Mark a route as public on purpose: it needs no key."""


def presented_key(request: Request) -> str:
    """Return the key from the headers. Raises `AuthenticationError` if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not key:
        raise AuthenticationError("no API key was sent: send it as `Authorization: Bearer upt_…`")
    return key
