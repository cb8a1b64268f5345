"""Where webhooks may go: public addresses by IANA's registries, given as https URLs."""

import ipaddress
from urllib.parse import urlsplit

from shared.errors import InvalidRequest

MAX_URL = 2048
_HTTPS_PORT = 443
_FIRST_UNPRIVILEGED_PORT = 1024
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, section 2.4: all addresses assigned so far
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind the network's translator
# Some versions of Python's `ipaddress` call these public: the networks for protocols as a whole (IANA assigns parts of
# them), 6to4 (RFC 3056: leads to any IPv4 address in it), documentation (RFC 9637).
_SPECIAL = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "2001::/23", "2002::/16", "3fff::/20")
)


def is_public(address: str) -> bool:
    """Return whether the address is on the public internet: not private, loopback, link-local, shared, multicast or reserved.

    An IPv6 address that stands for an IPv4 address counts as that one.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = _embedded_ipv4(ip)
        if embedded is None:
            return ip in _GLOBAL_UNICAST and ip.is_global and not _is_special(ip)
        ip = embedded
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or _is_special(ip))


def _is_special(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(ip in network for network in _SPECIAL)


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped


def check_url(url: str, *, allow_private: bool, field: str = "url") -> str:
    """Return the address. Raises `InvalidRequest` if no webhook may ever go there.

    What a name resolves to is checked at each attempt to send.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(f"{field} is not a valid URL: {error}", field=field) from None
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidRequest(
            f"{field} contains invalid characters or is too long: use at most {MAX_URL} visible ASCII characters",
            field=field,
        )
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise InvalidRequest(
            f"{field} is not an https URL: webhooks are sent over TLS only; begin it with https://",
            field=field,
        )
    if not host or parts.username is not None or parts.fragment:
        raise InvalidRequest(
            f"{field} has no host, or has credentials or a fragment: use a URL such as https://hooks.example/uptill",
            field=field,
        )
    if allow_private:
        return url
    if port is not None and port != _HTTPS_PORT and port < _FIRST_UNPRIVILEGED_PORT:
        raise InvalidRequest(
            f"{field} has the reserved port {port}: use port {_HTTPS_PORT}, or one above 1023", field=field
        )
    if _is_literal(host) and not is_public(host):
        raise InvalidRequest(
            f"{field} has the address {host}, which is not public: use a public host", field=field
        )
    return url


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
