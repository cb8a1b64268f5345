"""Makes the provider with which people sign in to the page."""

from typing import TYPE_CHECKING

from services.api.oidc.terms import ProviderTerms
from shared.settings import Settings

if TYPE_CHECKING:
    from services.api.oidc.provider import Provider


def make_provider(settings: Settings) -> "Provider | None":
    """Return the provider with which people sign in, if there is one. Raises `ConfigurationError`."""
    terms = ProviderTerms.of(settings)
    if terms is None:
        return None
    # The import takes 0.2 s.
    from services.api.oidc.provider import Provider  # noqa: PLC0415

    return Provider(terms)
