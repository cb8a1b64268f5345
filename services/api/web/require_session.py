"""The dependency of the page's routes: the key is that of the browser's session, with its scopes, labels and limits."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from services.api.context import ApiContext
from services.api.use_cases.page_sessions import SessionLimits, find_session
from services.api.web.cookies import SESSION, read_cookie
from shared.db.connect import autocommitting_async
from shared.errors import AuthenticationError
from shared.http.auth import RequireScope
from shared.http.key_ring import KeyRing
from shared.keys import ApiKey


@dataclass(frozen=True)
class RequireSession(RequireScope):
    """Like `RequireScope`, for a browser that signed in. A header with a key is not looked at.

    A page that updates itself says so (`Uptill-Auto`, or a stream of events): that is not a use, so an open page does not
    keep a session alive.
    """

    async def find_key(self, request: Request) -> ApiKey:
        """Return the live key of the session. Raises `AuthenticationError`."""
        token = read_cookie(request, SESSION)
        if not token:
            raise AuthenticationError("you are not signed in: sign in with an API key")
        context: ApiContext = request.app.state.context
        async with autocommitting_async(context.pools.keys) as conn:
            session = await find_session(
                conn, token, session_limits(context), note_use=not _is_automatic(request)
            )
        keys: KeyRing = request.app.state.keys
        key = await keys.key_of_session(session.key_prefix)
        request.state.page_session = session
        return key


def session_limits(context: ApiContext) -> SessionLimits:
    """Return how long sessions last."""
    settings = context.settings
    return SessionLimits(timedelta(seconds=settings.page_idle_s), timedelta(seconds=settings.page_session_s))


def token_of_session(request: Request) -> str:
    """Return what calls to the ingest service present."""
    return read_cookie(request, SESSION)


def _is_automatic(request: Request) -> bool:
    headers = request.headers
    return "uptill-auto" in headers or headers.get("accept", "") == "text/event-stream"


PageReader = Annotated[ApiKey, Depends(RequireSession("reports:read"))]
PageImporter = Annotated[ApiKey, Depends(RequireSession("ingest:write"))]
PageCloser = Annotated[ApiKey, Depends(RequireSession("closures:write"))]
PageWriter = Annotated[ApiKey, Depends(RequireSession("reports:write"))]
PageAdmin = Annotated[ApiKey, Depends(RequireSession("admin"))]
