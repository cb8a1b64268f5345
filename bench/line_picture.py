"""A picture of a few lines over a few numbers, both axes logarithmic, as SVG."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 470, 30, 250
_WIDTH, _HEIGHT, _LABEL = 580, 300, 16
_TICKS: Final = (10, 30, 100, 300, 1000)
# Told apart by dashes too, and dark enough for white and light enough for black.
_STYLES: Final = (("#c2410c", "2 4"), ("#a16207", "8 4"), ("#7c3aed", "none"), ("#2563eb", "none"))


def draw_lines(numbers: Sequence[int], lines: Mapping[str, Sequence[float]]) -> str:
    """Return the picture: `numbers` below, minutes on the left, the name of each line at its end."""
    lowest = min(*_TICKS, *(min(values) for values in lines.values()))
    highest = max(*_TICKS, *(max(values) for values in lines.values()))

    def across(number: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * _share(number, min(numbers), max(numbers))

    def up(minutes: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * _share(minutes, lowest, highest)

    parts = [
        f'<path d="M{_LEFT} {up(tick):.0f}H{_RIGHT}" stroke="#8888" stroke-width="1"/>'
        f'<text x="{_LEFT - 6}" y="{up(tick) + 4:.0f}" text-anchor="end">{tick}</text>'
        for tick in _TICKS
    ]
    parts += [
        f'<text x="{across(n):.0f}" y="{_BOTTOM + 18}" text-anchor="middle">{n}</text>' for n in numbers
    ]
    label_y = 0.0
    # From the highest line to the lowest, so that labels can make room downwards.
    ordered = sorted(lines.items(), key=lambda line: -line[1][-1])
    for (name, values), (colour, dashes) in zip(ordered, _STYLES, strict=True):
        label_y = max(label_y + _LABEL, up(values[-1]) + 4)
        points = " ".join(
            f"{across(n):.0f},{up(value):.0f}" for n, value in zip(numbers, values, strict=True)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>'
            f'<text x="{_RIGHT + 8}" y="{label_y:.0f}" style="fill:{colour}">{name}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13"'
        ' fill="#777" role="img"><title>Error of the weekly downtime by the minutes between two polls</title>'
        f'<text x="4" y="14">error of a week\'s downtime, minutes</text>{"".join(parts)}'
        f'<text x="{(_LEFT + _RIGHT) // 2}" y="{_HEIGHT - 8}" text-anchor="middle">minutes between two polls</text></svg>\n'
    )


def _share(value: float, lowest: float, highest: float) -> float:
    return math.log(value / lowest) / math.log(highest / lowest)
