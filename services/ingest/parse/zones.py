"""Reads time zones of stores: IANA names in any case, and Windows names. Recognises zones that never change their clocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tzlocal.windows_tz import win_tz

from shared.zone_names import NAMED_ZONES

_MACHINE_NAMES: Final = frozenset({"localtime", "factory", "posixrules"})
_MACHINE_FOLDERS: Final = ("posix/", "right/")
_IANA: Final = {name.casefold(): name for name in NAMED_ZONES}
# By the mapping of CLDR (Unicode), which tzlocal carries. "UTC" is a name in both.
_WINDOWS: Final = {name.casefold(): name for name in win_tz if win_tz[name] in NAMED_ZONES}
_GREENWICH: Final = ("GMT", "GMT0", "GMT+0", "GMT-0", "Greenwich")
_FURTHEST_WEST_H, _FURTHEST_EAST_H = 12, 14
# Hours ahead of UTC. UTC itself is not among them: it is what it says.
FIXED_ZONES: Final[Mapping[str, int]] = {
    "EST": -5,
    "MST": -7,
    "HST": -10,
    **dict.fromkeys((*_GREENWICH, *(f"Etc/{name}" for name in _GREENWICH)), 0),
    **{f"Etc/GMT+{hours}": -hours for hours in range(1, _FURTHEST_WEST_H + 1)},
    **{f"Etc/GMT-{hours}": hours for hours in range(1, _FURTHEST_EAST_H + 1)},
}
# The zones that most stores at this distance from UTC, in winter, are in.
_LIKELY: Final[Mapping[int, str]] = {
    -11: "Pacific/Pago_Pago",
    -10: "Pacific/Honolulu",
    -9: "America/Anchorage",
    -8: "America/Los_Angeles",
    -7: "America/Denver or America/Phoenix",
    -6: "America/Chicago or America/Mexico_City",
    -5: "America/New_York or America/Bogota",
    -4: "America/Halifax or America/Puerto_Rico",
    -3: "America/Sao_Paulo",
    -2: "America/Noronha",
    -1: "Atlantic/Azores",
    0: "Europe/London",
    1: "Europe/Berlin or Africa/Lagos",
    2: "Europe/Athens or Africa/Johannesburg",
    3: "Europe/Istanbul",
    4: "Asia/Dubai",
    5: "Asia/Karachi",
    6: "Asia/Dhaka",
    7: "Asia/Bangkok",
    8: "Asia/Singapore",
    9: "Asia/Tokyo",
    10: "Australia/Sydney or Australia/Brisbane",
    11: "Pacific/Noumea",
    12: "Pacific/Auckland",
    13: "Pacific/Tongatapu",
    14: "Pacific/Kiritimati",
}


@dataclass(frozen=True)
class Zone:
    """The IANA name of a zone. `windows_name` is given if the zone was named as Windows does."""

    name: str
    windows_name: str | None = None

    @property
    def warnings(self) -> list[str]:
        """Sentences for the sender: what the name was read as, and which zone may be meant."""
        found = [describe_windows(self.windows_name, self.name)] if self.windows_name else []
        return [*found, describe_fixed(self.name)] if self.name in FIXED_ZONES else found


def find_zone(text: str) -> Zone | str:
    """Return the zone, or the reason to reject. Neither case matters, nor spaces or underscores."""
    words = " ".join(text.split())
    folded = words.replace(" ", "_").casefold()
    if folded in _MACHINE_NAMES or folded.startswith(_MACHINE_FOLDERS):
        return "timezone_of_machine"
    if name := _IANA.get(folded):
        return Zone(name)
    if windows := _WINDOWS.get(words.replace("_", " ").casefold()):
        return Zone(win_tz[windows], windows)
    return "timezone"


def describe_windows(windows_name: str, name: str) -> str:
    """Return the sentence for a Windows name."""
    return f"the Windows time zone {windows_name!r} is read as {name}"


def describe_fixed(name: str) -> str:
    """Return the sentence for a zone that never changes its clocks, with the zones that may be meant."""
    hours = FIXED_ZONES[name]
    far = f"{abs(hours)} hour{'s' if abs(hours) > 1 else ''}"
    where = f"{far} {'ahead of' if hours > 0 else 'behind'} UTC" if hours else "UTC"
    meant = _LIKELY.get(hours)
    text = f"{name} is always {where}, without daylight saving time"
    if meant:
        text += f": if the stores change their clocks, use a place, probably {meant}"
    if hours and name.startswith("Etc/"):
        other = _LIKELY.get(-hours)
        text += f"; if {far} {'behind' if hours > 0 else 'ahead of'} UTC is meant, the sign is the wrong way round"
        text += f": probably {other}" if other else ""
    return text
