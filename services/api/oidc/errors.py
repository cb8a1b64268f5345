"""Why a sign-in by the provider ended. The page shows these texts above its form."""

from shared.errors import UptillError


class SignInRefused(UptillError):
    """The provider's answer does not prove who signed in."""


class NoRights(UptillError):
    """The person is known, and may not use the page."""


class ProviderAway(UptillError):
    """The provider does not answer, or not as the standard says. The same sign-in may succeed later."""
