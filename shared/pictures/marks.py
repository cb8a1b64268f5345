"""The shapes of a day as SVG. Coordinates are shares of its width, so a row fits any width without distortion.

The colours are those of style classes, which the page and the printed report define.
"""

from typing import Final

from shared.pictures.week import DayRow, Tick

# Of a row with everything that is drawn above and below its lane.
ROW_HEIGHT: Final = 42
_THINNEST: Final = 0.0015  # a short outage must not vanish

PATTERNS: Final = (
    '<pattern id="p-down" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="fill-down" width="6" height="6"/><rect class="fill-down-line" width="2" height="6"/></pattern>\n'
    '<pattern id="p-unknown" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<rect class="fill-card" width="5" height="5"/><circle class="fill-unknown" cx="2.5" cy="2.5" r="1"/></pattern>\n'
    '<pattern id="p-excluded" width="7" height="7" patternUnits="userSpaceOnUse">'
    '<rect class="fill-card" width="7" height="7"/><path class="line-excluded" d="M0 0L7 7M7 0L0 7"/></pattern>\n'
    '<pattern id="p-as_up" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="fill-up" width="6" height="6"/><circle class="fill-card" cx="3" cy="3" r="1.2"/></pattern>'
)
# The class, the top, the height, and the pattern of the bar of each state.
_BARS: Final = {
    "down": ("s-down", 7, 26, "p-down"),
    "up": ("s-up", 14, 14, ""),
    "excluded": ("s-excluded", 9, 22, "p-excluded"),
    "as_up": ("s-as-up", 14, 14, "p-as_up"),
    "unknown": ("s-unknown", 16, 10, "p-unknown"),
}


def percent(share: float) -> str:
    """Return a share of the width as a coordinate."""
    return f"{share * 100:.3f}%"


def lane(x: float, width: float) -> str:
    """Return the background of opening time."""
    return f'<rect class="s-open" x="{percent(x)}" y="4" width="{percent(width)}" height="32"/>'


def stretch(x: float, width: float, state: str) -> str:
    """Return time in one state. Closed time is a thin line."""
    if state not in _BARS:
        return f'<line class="s-closed" x1="{percent(x)}" y1="21" x2="{percent(x + width)}" y2="21"/>'
    name, top, height, pattern = _BARS[state]
    wide = max(width, _THINNEST) if state == "down" else width
    fill = f' fill="url(#{pattern})"' if pattern else ""
    return (
        f'<rect class="{name}" x="{percent(x)}" y="{top}" width="{percent(wide)}" height="{height}"{fill}/>'
    )


def whisker(x: float, width: float) -> str:
    """Return the time between two polls that bound the start or the end of an outage."""
    left, right = percent(x), percent(x + width)
    return (
        f'<g class="s-whisker"><line x1="{left}" y1="4" x2="{right}" y2="4"/>'
        f'<line x1="{left}" y1="1" x2="{left}" y2="7"/><line x1="{right}" y1="1" x2="{right}" y2="7"/></g>'
    )


def tick(poll: Tick) -> str:
    """Return a poll: a line if it was active, a dot if not, pale if it does not count."""
    faint, x = "" if poll.counts else " faint", percent(poll.x)
    if poll.active:
        return f'<line class="s-tick{faint}" x1="{x}" y1="36" x2="{x}" y2="41"/>'
    return f'<circle class="s-tick-down{faint}" cx="{x}" cy="38.5" r="2.5"/>'


def hour_lines() -> str:
    """Return a line for each third hour."""
    places = [percent(hour / 24) for hour in range(3, 24, 3)]
    return "".join(f'<line class="s-grid" x1="{x}" y1="4" x2="{x}" y2="36"/>' for x in places)


def behind(row: DayRow) -> str:
    """Return what lies behind the states of a day: lines of hours, and opening time."""
    return hour_lines() + "".join(lane(each.x, each.width) for each in row.open)


def above(row: DayRow) -> str:
    """Return what lies above the states of a day: bounds of outages, and polls."""
    return "".join(whisker(each.x, each.width) for each in row.whiskers) + "".join(map(tick, row.ticks))
