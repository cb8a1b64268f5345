"""The base of all errors of the domain, and what keeps a process from starting."""


class UptillError(Exception):
    """Base of all errors that Uptill raises on purpose. Their texts may be shown to users."""


class ConfigurationError(UptillError):
    """A setting is missing, contradictory or unsafe."""


class MigrationError(UptillError):
    """The database's schema does not match this release's migrations."""
