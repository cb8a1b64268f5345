"""The settings of the provider, checked when the API starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from services.api.oidc.groups import GroupRights, parse_groups
from shared.errors import ConfigurationError
from shared.settings import Settings

CALLBACK: Final = "/sign-in/provider/callback"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ProviderTerms:
    """Which provider, as which client, and what its groups may do."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    redirect_url: str
    groups_claim: str
    groups: Sequence[GroupRights]

    @classmethod
    def of(cls, settings: Settings) -> "ProviderTerms | None":
        """Return the terms; None without an issuer. Raises `ConfigurationError`."""
        if not settings.oidc_issuer:
            if settings.oidc_client_id or settings.oidc_redirect_url or settings.oidc_groups:
                raise ConfigurationError(
                    "UPTILL_OIDC_ISSUER is not set, but other settings of the provider are: set it too, or remove"
                    " UPTILL_OIDC_CLIENT_ID, UPTILL_OIDC_REDIRECT_URL and UPTILL_OIDC_GROUPS"
                )
            return None
        settings.require("oidc_client_id", "oidc_redirect_url", "oidc_groups")
        try:
            require_safe_url("UPTILL_OIDC_ISSUER", settings.oidc_issuer)
            require_safe_url("UPTILL_OIDC_REDIRECT_URL", settings.oidc_redirect_url)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        if urlsplit(settings.oidc_issuer).query or urlsplit(settings.oidc_issuer).fragment:
            raise ConfigurationError(
                "UPTILL_OIDC_ISSUER has a query or a fragment, which no issuer has: remove ? or # and what follows"
            )
        if not settings.oidc_redirect_url.endswith(CALLBACK):
            raise ConfigurationError(
                f"UPTILL_OIDC_REDIRECT_URL must end with {CALLBACK}: write the page's address before it"
            )
        return cls(
            settings.oidc_issuer,
            settings.oidc_client_id,
            settings.oidc_client_secret,
            settings.oidc_redirect_url,
            settings.oidc_groups_claim,
            parse_groups(settings.oidc_groups),
        )


def require_safe_url(name: str, url: str) -> None:
    """Raise ValueError unless a URL is https. This machine may be reached by http."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise ValueError(f"{name} must begin with https://")
