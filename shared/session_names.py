"""The names of database sessions of services, which `uptill doctor`, metrics and sealing read."""

from shared.uptime.tzdata_release import tzdata_version


def session_name(service: str) -> str:
    """Return the name of a service's sessions: its time zone database, and that it reads sealed weeks of polls."""
    return f"{service} tzdata={tzdata_version()} sealed=1"
