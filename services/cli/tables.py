"""Tables of the commands. Nothing is cut: in a narrow terminal, columns of text are folded, or rows are stacked.

In a pipe each row is one line, whatever the terminal or COLUMNS.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from rich.cells import cell_len, chop_cells, set_cell_size

from services.cli.console import make_printable, note, print_json, terminal_width

_GAP: Final = "  "
# A text in a narrower column than this is hard to read.
_NARROWEST: Final = 24
_INDENT: Final = "  "
# A long word without spaces, such as a path, may be broken after a slash.
_PARTS: Final = re.compile(r"[^/]*/|[^/]+")
Row = TypeVar("Row")


def print_rows(
    titles: Sequence[str],
    found: Sequence[Row],
    cells: Callable[[Row], Sequence[str]],
    *,
    as_json: bool,
) -> None:
    """Print what a call returned: as JSON, or as a table with one row each."""
    if as_json:
        print_json(found)
    else:
        print_table(titles, map(cells, found))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns. If the terminal is too narrow for them, fold texts, or print each row as several lines.

    The first column is never folded, so that an id can be copied.
    """
    rows = [[make_printable(cell) for cell in row] for row in rows]
    for line in fit_table(titles, rows, terminal_width()):
        print(line)
    if not rows:
        note("(none)")


def table_lines(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Align titles and rows in columns. Return one line for the titles and one per row."""
    cells = [titles, *([make_printable(cell) for cell in row] for row in rows)]
    return _align(cells, _measure(cells))


def fold_last(begin: str, text: str, *, narrowest: int = _NARROWEST) -> Iterator[str]:
    """Yield `begin` with a text after it that is folded in its own column, or below if that has no room."""
    width = terminal_width()
    room = 0 if width is None else width - cell_len(begin)
    if width is None or cell_len(text) <= room:
        yield f"{begin}{text}"
    elif room >= narrowest:
        first, *rest = fold_text(text, room)
        yield f"{begin}{first}"
        yield from (f"{' ' * cell_len(begin)}{line}" for line in rest)
    else:
        yield begin.rstrip()
        yield from (f"{_INDENT * 2}{line}" for line in fold_text(text, width - len(_INDENT * 2)))


def fold_text(text: str, width: int) -> list[str]:
    """Fold a text at its spaces into lines of at most `width` columns. A longer word is broken."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for part in _break_word(word, width):
            if cell_len(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
    return lines


def _break_word(word: str, width: int) -> Iterator[str]:
    if cell_len(word) <= width:
        yield word
        return
    for part in _PARTS.findall(word):
        yield from chop_cells(part, width)


def fit_table(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return the lines of a table for a terminal of this width; None: one line per row."""
    cells = [titles, *rows]
    widths = _measure(cells)
    lines = _align(cells, widths)
    if width is None or max(map(cell_len, lines)) <= width:
        return lines
    if not rows:
        return fold_text(lines[0], width)
    narrower = _narrow(cells, widths, width)
    if narrower is None:
        return [line for row in rows for line in _stack(titles, row, width)]
    return [line for row in cells for line in _fold_row(row, narrower)]


def _measure(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*cells, strict=True)]


def _align(cells: Iterable[Sequence[str]], widths: Sequence[int]) -> list[str]:
    return [_GAP.join(map(set_cell_size, row, widths)).rstrip() for row in cells]


def _narrow(cells: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> list[int] | None:
    """Return widths that fit after texts were folded, the widest first; None if that is not enough."""
    narrower = list(widths)
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for place in sorted(range(1, len(widths)), key=lambda each: -widths[each]):
        words = (word for row in cells for word in row[place].split(" "))
        least = max(_NARROWEST, *map(cell_len, words))
        taken = max(0, min(excess, widths[place] - least))
        narrower[place] -= taken
        excess -= taken
    return None if excess > 0 else narrower


def _fold_row(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    columns = [fold_text(cell, width) if cell else [""] for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, columns))
    return _align(zip(*(column + [""] * (height - len(column)) for column in columns), strict=True), widths)


def _stack(titles: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """Yield the first cell, and below it every other one with its title."""
    yield row[0]
    line = ""
    for title, cell in zip(titles[1:], row[1:], strict=True):
        pair = f"{title}: {cell}".rstrip()
        if line and cell_len(f"{line}   {pair}") > width:
            yield line
            line = ""
        if cell_len(f"{_INDENT}{pair}") > width:
            first, *rest = fold_text(pair, width - 2 * len(_INDENT))
            yield f"{_INDENT}{first}"
            yield from (f"{_INDENT * 2}{each}" for each in rest)
        else:
            line = f"{line}   {pair}" if line else f"{_INDENT}{pair}"
    if line:
        yield line
