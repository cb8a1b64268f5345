"""Limits at the edge: connections per address, and the minimum speed of request bodies."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from starlette.types import Receive, Scope, Send

from shared.errors import ConfigurationError, Overloaded
from shared.http.headers import SECURITY_HEADERS
from shared.http.problems import PROBLEMS, RETRY_AFTER_S, problem_response
from shared.settings import Settings

_HOME_BITS = 64  # of an IPv6 address: one host usually has the whole /64


@dataclass(frozen=True)
class EdgeLimits:
    """The limits of one process. Reverse proxies are exempt from the limit per address: they serve many callers."""

    connections_per_address: int = 256
    body_bytes_per_s: int = 1024
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the settings. Raises `ConfigurationError` for a proxy that is not an address or network."""
        named = [text.strip() for text in settings.trusted_proxies.split(",") if text.strip()]
        try:
            proxies = tuple(ip_network(text) for text in named)
        except ValueError as error:
            raise ConfigurationError(f"UPTILL_TRUSTED_PROXIES: {error}; name addresses or networks") from None
        return cls(settings.connections_per_address, settings.body_bytes_per_s, proxies)

    def counted_as(self, address: str) -> str | None:
        """Return the key to count a connection under: an IPv4 address or an IPv6 /64; None for a reverse proxy."""
        try:
            parsed = ip_address(address)
        except ValueError:  # a socket in the file system
            return None
        if isinstance(parsed, IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        if any(parsed in network for network in self.proxies):
            return None
        if isinstance(parsed, IPv6Address):
            return str(ip_network((parsed, _HOME_BITS), strict=False))
        return str(parsed)


async def refuse_connection(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 503 while too many connections are open."""
    headers = {**SECURITY_HEADERS, "Connection": "close", "Retry-After": RETRY_AFTER_S}
    answer = problem_response(
        PROBLEMS[Overloaded],
        "too many open connections: try again later, or reuse connections",
        headers=headers,
    )
    await answer(scope, receive, send)
