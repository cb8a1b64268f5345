"""The figures of windows as a page prints them, and how they compare with the window before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.pictures.words import NO_VALUE, length, share
from shared.uptime.window import BEFORE, Window, parse_window

_HUNDREDTH: Final = 0.005


@dataclass(frozen=True)
class Figures:
    """The times of a store, or of all stores together, in one window. None: unknown, or not in the report."""

    up_us: int | None
    down_us: int | None
    open_us: int | None = None
    unknown_us: int | None = None
    excluded_us: int | None = None

    @property
    def percent(self) -> float | None:
        """Uptime as a percentage of known time; None if nothing is known."""
        if self.up_us is None or self.down_us is None:
            return None
        known_us = self.up_us + self.down_us
        return 100 * self.up_us / known_us if known_us else None


def window_before(window: Window) -> str | None:
    """Return the name of the window just before one; None if it has none."""
    try:
        return None if window.is_before else parse_window(BEFORE + window.text).name
    except ValueError:
        return None


def describe_figures(
    windows: Sequence[Window], figures: Sequence[Figures], times: Sequence[str]
) -> list[dict[str, str]]:
    """Return a row of texts for each window. `times` say when each window was."""
    by_name = {window.name: each for window, each in zip(windows, figures, strict=True)}
    return [
        {
            "name": window.name.replace("_", " "),
            "time": time,
            "share": _share(each),
            "change": _change(each, by_name, window_before(window)),
            "open": _time(each.open_us),
            "up": _time(each.up_us),
            "down": _time(each.down_us),
            "unknown": _time(each.unknown_us),
            "excluded": _time(each.excluded_us),
        }
        for window, each, time in zip(windows, figures, times, strict=True)
    ]


def _share(figures: Figures) -> str:
    up_us, down_us = figures.up_us, figures.down_us
    return NO_VALUE if up_us is None or down_us is None else share(up_us, down_us)


def _time(us: int | None) -> str:
    return NO_VALUE if us is None else length(us)


def _change(figures: Figures, by_name: Mapping[str, Figures], before: str | None) -> str:
    """Return the difference in percentage points, signed, or an empty text if the report has no window before."""
    earlier = by_name.get(before or "")
    if earlier is None:
        return ""
    now, then = figures.percent, earlier.percent
    if now is None or then is None:
        return NO_VALUE
    change = now - then
    if abs(change) < _HUNDREDTH:
        return "\u00b10.00"
    return f"{'+' if change > 0 else chr(0x2212)}{abs(change):.2f}"
