"""Passwords that every attacker tries first: nothing of Uptill starts with one of them."""

from urllib.parse import unquote, urlsplit

from shared.errors import ConfigurationError

_TRIED_FIRST = frozenset(
    [
        "postgres",
        "password",
        "passw0rd",
        "passwd",
        "pass",
        "secret",
        "changeme",
        "change-me",
        "admin",
        "root",
        "uptill",
        "redis",
        "valkey",
        "default",
        "minioadmin",
        "minio",
        "minio123",
        "seaweedfs",
        "some_secret_key",
        "123456",
        "12345678",
        "example",
        "guest",
    ]
)


def refuse_default_password(variable: str, value: str) -> None:
    """Raise `ConfigurationError` that names the variable, not the value; `value` is a URL or the secret itself."""
    user, password = "", value
    if "://" in value:
        try:
            url = urlsplit(value)
            user, password = unquote(url.username or ""), unquote(url.password or "")
        except ValueError:
            return
    if password and (password.lower() in _TRIED_FIRST or password == user):
        raise ConfigurationError(f"{variable} has a password that everybody tries first; choose a random one")
