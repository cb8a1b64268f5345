"""Checks of settings that a type cannot express: addresses, keys, and names that no setting has."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

_HTTP = (("http", "https"), "http://host:port")
# The schemes of each address, and an example of it.
ADDRESSES: Mapping[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(
        (
            "database_url",
            "api_database_url",
            "ingest_database_url",
            "worker_database_url",
            "readonly_database_url",
        ),
        (("postgresql", "postgres"), "postgresql://user:password@host:5432/database"),
    ),
    "redis_url": (("redis", "rediss", "unix"), "redis://:password@host:6379/0"),
    **dict.fromkeys(
        ("s3_endpoint", "s3_public_endpoint", "api_url", "ingest_url", "otlp_endpoint", "public_url"), _HTTP
    ),
}
_HOSTLESS = ("postgresql", "postgres", "unix")
_MAX_PORT = 65_535
_PRIMARY = "target_session_attrs=read-write"
# Variables of the project that are not settings.
_OTHER_NAMES = ("DATA", "FAILPOINTS", "FAILPOINTS_CONFIRM", "TEST_CLOCK_S", "COMPLETE")
# Kubernetes and Docker set these for a service named `uptill-…`.
_OF_A_SERVICE = re.compile(r"_SERVICE_(HOST|PORT\w*)$|_PORT(_\d+_(TCP|UDP)\w*)?$")
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")


def check_address(name: str, value: str) -> str:
    """Return the value of an address setting. Raises ValueError if it cannot be one; the value is not shown."""
    schemes, example = ADDRESSES[name]
    if not value or ("database" in name and "://" not in value and "=" in value):
        return value  # not set, or libpq's `host=… dbname=…`
    scheme, found, _ = value.partition("://")
    if not found or scheme.lower() not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{each}://' for each in schemes)}, as in {example}")
    try:
        netloc = urlsplit(value).netloc
    except ValueError:
        raise ValueError(f"is not a valid URL: write it as in {example}") from None
    hosts = netloc.rpartition("@")[2].split(",")
    if not all(map(_has_valid_port, hosts)):
        raise ValueError(
            f"has an invalid port: write it as in {example}, and a special character of the password as % and two"
            " hexadecimal digits"
        )
    if not hosts[0].partition(":")[0] and scheme.lower() not in _HOSTLESS:
        raise ValueError(f"names no host: write it as in {example}")
    return value


def aim_at_primary(value: str) -> str:
    """Return the address of a database. If it names several hosts, the driver must look for the one that takes writes."""
    if "://" not in value or "target_session_attrs" in value:
        return value
    parts = urlsplit(value)
    if "," not in parts.netloc.rpartition("@")[2]:
        return value
    return parts._replace(query="&".join(filter(None, (parts.query, _PRIMARY)))).geturl()


def check_key(value: str) -> str:
    """Return the value of an API key. Raises ValueError if no HTTP header can carry it."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(
            "contains a space, a line break or a character that is not ASCII: copy the key again"
        )
    return value


def show_address(value: str) -> str:
    """Return the host and port of an address, without its user, password and path."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return "an invalid address"
    if not parts.scheme:
        pairs = dict(part.split("=", 1) for part in value.split() if "=" in part)
        return ":".join(filter(None, (pairs.get("host", "the local socket"), pairs.get("port"))))
    return parts.netloc.rpartition("@")[2] or parts.path


def without_passwords(text: str) -> str:
    """Return a text in which the password of every URL is replaced."""
    return _PASSWORD.sub(r"\1***@", text)


def list_unknown_names(prefix: str, settings: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each variable of the environment that begins like a setting and is not one."""
    known = {f"{prefix}{name.upper()}" for name in settings}
    known |= {f"{name}_FILE" for name in known} | {f"{prefix}{name}" for name in _OTHER_NAMES}
    for name in sorted(os.environ):
        if name.startswith(prefix) and name not in known and not _OF_A_SERVICE.search(name):
            close = get_close_matches(name, known, n=1, cutoff=0.75)
            what = f"did you mean {close[0]}?" if close else "remove it, or see docs/reference/settings.md"
            yield f"{name} is not a setting of Uptill and has no effect: {what}"


def _has_valid_port(host: str) -> bool:
    port = host.rpartition("]")[2].partition(":")[2]
    return not port or (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT)
