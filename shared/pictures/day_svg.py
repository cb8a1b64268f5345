"""One day of a store as an SVG document of its own, for paper. The page puts the same shapes into its HTML."""

from typing import Final

from shared.pictures import marks
from shared.pictures.week import DayRow

# Those of the page in its light colours (services/api/web/assets/uptill.css); a test compares them.
COLOURS: Final = {
    "card": "#ffffff",
    "lane": "#e9edf3",
    "grid": "#edf0f4",
    "line": "#e1e5ea",
    "text": "#1a2130",
    "up": "#2b8a63",
    "down": "#cf3b33",
    "down-line": "#f4b6b1",
    "unknown": "#6f7a8c",
    "excluded": "#7866c8",
}
_STYLE: Final = (
    ".fill-up{{fill:{up}}}.fill-down{{fill:{down-line}}}.fill-down-line{{fill:{down}}}.fill-unknown{{fill:{unknown}}}"
    ".fill-card{{fill:{card}}}.line-excluded{{stroke:{excluded};stroke-width:1;fill:none}}.s-open{{fill:{lane}}}"
    ".s-grid{{stroke:{grid}}}.s-up{{fill:{up}}}.s-down{{stroke:{down};stroke-width:1}}"
    ".s-unknown{{stroke:{unknown};stroke-dasharray:3 2}}.s-excluded{{stroke:{excluded}}}.s-as-up{{stroke:none}}"
    ".s-closed{{stroke:{line};stroke-width:2;stroke-dasharray:2 3}}.s-whisker line{{stroke:{text};stroke-width:1.25}}"
    ".s-tick{{stroke:{up};stroke-width:1.5}}.s-tick-down{{fill:{down}}}.faint{{opacity:.45}}"
).format(**COLOURS)


def day_svg(row: DayRow, width: int) -> str:
    """Return the row of a day, `width` units wide and `ROW_HEIGHT` high."""
    states = (marks.stretch(each.x, each.width, each.segment.state.value) for each in row.states)
    return draw(marks.behind(row) + "".join(states) + marks.above(row), width)


def draw(shapes: str, width: int) -> str:
    """Return shapes as a document."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{marks.ROW_HEIGHT}"'
        f' viewBox="0 0 {width} {marks.ROW_HEIGHT}"><style>{_STYLE}</style><defs>{marks.PATTERNS}</defs>{shapes}</svg>'
    )
