"""Settings: the page for people, and signing in to it."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from shared.settings.names import MAX_S


class PageSettings(BaseSettings):
    """The page for people, and signing in to it."""

    page_idle_s: float = Field(
        default=8 * 3600.0,
        gt=0,
        le=MAX_S,
        description="Seconds without a request after which a browser must sign in to the page again.",
    )
    page_session_s: float = Field(
        default=7 * 86_400.0,
        gt=0,
        le=MAX_S,
        description="Seconds after which a browser must sign in to the page again in any case.",
    )
    oidc_issuer: str = Field(
        default="",
        description="Issuer of the OpenID Connect provider with which people sign in to the page, as `https://login.example.com`. Default: they sign in with API keys only.",
    )
    oidc_client_id: str = Field(default="", description="Client id that the provider gave to Uptill.")
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Client secret. Leave it out for a public client; PKCE is always used.",
    )
    oidc_redirect_url: str = Field(
        default="",
        description="Where the provider sends people back: the page's address and `/sign-in/provider/callback`.",
    )
    oidc_groups: str = Field(
        default="",
        description='What the members of each group may do, as JSON: `{"uptill-operators": {"scopes": ["admin"]}, "north": {"scopes": ["reports:read"], "labels": {"region": "north"}}}`. The first group that the person is in decides.',
    )
    oidc_groups_claim: str = Field(
        default="groups",
        description="Claim of the ID token or of the user info that lists a person's groups.",
    )
