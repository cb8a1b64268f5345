"""Connect to receivers of webhooks: resolve a name once, check all its addresses, and connect to one of those.

So a name that points to a private address, or changes to one in the meantime, leads nowhere. TLS and the Host header
still use the name.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shared.webhooks.address import is_public

# As socket.getaddrinfo returns them: family, type, protocol, canonical name, address.
Resolved = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]
_PORTS = {"https": 443, "http": 80}


class AddressRefused(Exception):
    """The name leads to an address that webhooks must not reach."""


@dataclass(frozen=True)
class Dialer:
    """Tests replace `resolve` and `connect`. `authorities` is a file of CA certificates instead of the system's."""

    allow_private: bool
    timeout_s: float
    resolve: Callable[[str, int], Resolved] = lambda host, port: socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )
    connect: Callable[[tuple[Any, ...], float], socket.socket] = lambda address, timeout_s: (
        socket.create_connection(address[:2], timeout_s)
    )
    authorities: str | None = None

    def dial(self, url: str) -> HTTPConnection:
        """Return an open connection. Raises `AddressRefused`, or OSError if no address answers."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        found = self.resolve(host, port)
        refused = [info[4][0] for info in found if not (self.allow_private or is_public(str(info[4][0])))]
        if refused or not found:
            raise AddressRefused(f"{host} leads to an address that is not public")
        return self._open_http(parts, host, port, self._connect_to_one(found))

    def _connect_to_one(self, found: Resolved) -> socket.socket:
        """Connect to the first address that answers, in the resolver's order."""
        last = OSError("no address")
        for *_, address in found:
            try:
                return self.connect(address, self.timeout_s / len(found))
            except OSError as error:
                last = error
        raise last

    def _open_http(self, parts: SplitResult, host: str, port: int, sock: socket.socket) -> HTTPConnection:
        sock.settimeout(self.timeout_s)
        if parts.scheme == "http":
            connection = HTTPConnection(host, port)
        else:
            try:
                sock = ssl.create_default_context(cafile=self.authorities).wrap_socket(
                    sock, server_hostname=host
                )
            except BaseException:
                with suppress(OSError):
                    sock.close()
                raise
            connection = HTTPSConnection(host, port)
        connection.sock = sock
        return connection
