"""The `Host` a request names must be one of ours: else a page of another site could reach this service by its name."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.problems import UNKNOWN_HOST, problem_response
from shared.settings import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ASKED_BY_PROBES = frozenset(
    {"/livez", "/readyz"}
)  # by address, which no setting can know; they tell nothing


def allowed_hosts(settings: Settings) -> Sequence[str]:
    """The names in `UPTILL_ALLOWED_HOSTS`, those of the services' own addresses, and this machine's."""
    own = (urlsplit(url).hostname or "" for url in (settings.api_url, settings.ingest_url))
    given = (name.strip().lower() for name in settings.allowed_hosts.split(","))
    return [name for name in (*_LOOPBACK, *own, *given) if name]


class AllowedHosts:
    """Pure ASGI. A name matches itself, `*.example.com` its subdomains, `*` everything; the port is not looked at."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._any = "*" in names
        self._names = frozenset(names)
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 400."""
        if scope["type"] != "http" or self._any or scope["path"] in _ASKED_BY_PROBES:
            await self._app(scope, receive, send)
            return
        host = _name(Headers(scope=scope).get("host", ""))
        if host in self._names or host.endswith(self._suffixes or ("\n",)):
            await self._app(scope, receive, send)
            return
        answer = problem_response(
            UNKNOWN_HOST,
            "this service does not go by the name in the Host header; UPTILL_ALLOWED_HOSTS lists its names",
        )
        await answer(scope, receive, send)


def _name(host: str) -> str:
    """Without the port and the brackets of IPv6; empty for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
