"""The figures of one window of one store, in microseconds."""

from dataclasses import dataclass

from shared.uptime.kernel import Measures

_NAMES = ("open_us", "up_us", "down_us", "unknown_us", "excluded_us", "up_min_us", "up_max_us")


@dataclass(frozen=True)
class WindowNumbers:
    """The figures of one window, in microseconds. `bounds_us` is where it begins and ends, if the page says so."""

    name: str
    bounds_us: tuple[int, int] | None
    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    excluded_us: int
    up_min_us: int
    up_max_us: int

    @classmethod
    def of(
        cls, name: str, measures: Measures, window: int = 0, bounds_us: tuple[int, int] | None = None
    ) -> "WindowNumbers":
        """Return the figures of store 0 in one window."""
        return cls(name, bounds_us, *(int(getattr(measures, each)[0, window]) for each in _NAMES))
