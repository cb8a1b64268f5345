"""Well-known passwords. No service of Uptill starts with one."""

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
    """Raise `ConfigurationError` for a well-known password. `value` is a URL or the secret itself, and is not shown."""
    user, password = "", value
    if "://" in value:
        try:
            url = urlsplit(value)
            user, password = unquote(url.username or ""), unquote(url.password or "")
        except ValueError:
            return
    if password and (password.lower() in _TRIED_FIRST or password == user):
        raise ConfigurationError(f"{variable} uses a well-known password; set a random one")
