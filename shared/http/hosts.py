"""Accept only known `Host` headers; otherwise another site's page could reach this service (DNS rebinding)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.problems import UNKNOWN_HOST, early_response
from shared.settings import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ASKED_BY_PROBES = frozenset({"/livez", "/readyz"})  # probes call by IP address; the answers reveal nothing


def allowed_hosts(settings: Settings) -> Sequence[str]:
    """Return the hosts of `UPTILL_ALLOWED_HOSTS`, of the services' own URLs, and of the loopback interface."""
    own = (urlsplit(url).hostname or "" for url in (settings.api_url, settings.ingest_url))
    given = (name.strip().lower() for name in settings.allowed_hosts.split(","))
    return [name for name in (*_LOOPBACK, *own, *given) if name]


class AllowedHosts:
    """ASGI middleware. `*.example.com` matches subdomains and `*` everything. Ports are ignored."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._any = "*" in names
        self._names = frozenset(names)
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400."""
        if scope["type"] != "http" or self._any or scope["path"] in _ASKED_BY_PROBES:
            await self._app(scope, receive, send)
            return
        host = _find_name(Headers(scope=scope).get("host", ""))
        if host in self._names or host.endswith(self._suffixes or ("\n",)):
            await self._app(scope, receive, send)
            return
        answer = early_response(
            scope,
            UNKNOWN_HOST,
            "the Host header does not name this service: use its own address, or add the host to UPTILL_ALLOWED_HOSTS",
        )
        await answer(scope, receive, send)


def _find_name(host: str) -> str:
    """Return the host without port and IPv6 brackets, or an empty string if it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
