"""The IANA time zone names that data and schedules may use."""

from typing import Final
from zoneinfo import ZoneInfo, available_timezones

# `localtime` and `posixrules` depend on the machine, `Factory` means that no zone was set, and the two folders have other
# rules.
_REFUSED: Final = frozenset({"localtime", "Factory", "posixrules"})
_REFUSED_FOLDERS: Final = ("posix/", "right/")

NAMED_ZONES: Final = frozenset(
    name for name in available_timezones() if name not in _REFUSED and not name.startswith(_REFUSED_FOLDERS)
)


def zone_or_utc(name: str) -> ZoneInfo:
    """Return the zone: UTC for a name that this process does not know, so that one store costs only itself."""
    return ZoneInfo(name if name in NAMED_ZONES else "UTC")
