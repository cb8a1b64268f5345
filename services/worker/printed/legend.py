"""The legend of the days: a small picture of each shape, and its name."""

from typing import Final

from shared.pictures import marks
from shared.pictures.day_svg import draw
from shared.pictures.week import Tick

_WIDTH: Final = 74  # 7 by 4 mm


def describe_legend() -> list[dict[str, str]]:
    """Return the pictures in the order of the page's legend."""
    names = ("up", "down", "unknown", "excluded")
    shapes = {
        "open": marks.lane(0, 1),
        **{name: marks.stretch(0, 1, name) for name in names},
        "counted as up": marks.stretch(0, 1, "as_up"),
        "began or ended between": f'<g transform="translate(0 17)">{marks.whisker(0.05, 0.9)}</g>',
        "active, inactive poll": f'<g transform="translate(0 -18)">{_ticks()}</g>',
    }
    return [{"name": name, "svg": draw(shape, _WIDTH)} for name, shape in shapes.items()]


def _ticks() -> str:
    return marks.tick(Tick(0.3, 0, active=True, counts=True)) + marks.tick(
        Tick(0.7, 0, active=False, counts=True)
    )
