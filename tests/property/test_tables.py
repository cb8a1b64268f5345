"""Tables lose nothing at any width, and no line but a long first cell is wider than the terminal."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from services.cli.tables import fit_table, fold_text

TITLES = ("id", "from (UTC)", "state", "note")
words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40)
cells = st.lists(words, max_size=6).map(" ".join)
rows = st.lists(st.tuples(words, cells, cells, cells), min_size=1, max_size=3)
widths = st.integers(30, 160)


def squeezed(text: str) -> str:
    return "".join(text.split())


@given(rows, widths)
def test_nothing_is_lost(rows: list[tuple[str, ...]], width: int) -> None:
    lines = fit_table(TITLES, rows, width)
    assert Counter(squeezed("".join(lines))) >= Counter(squeezed("".join(map("".join, rows))))
    for row in rows:
        assert any(line.startswith(row[0]) for line in lines), "the first column is whole"
        for cell in row[1:]:
            for word in cell.split():
                if cell_len(word) <= 20:
                    assert any(word in line for line in lines), (word, lines)
    longest = max(cell_len(row[0]) for row in rows)
    assert max(map(cell_len, lines)) <= max(width, longest)


@given(rows)
def test_a_pipe_gets_a_line_per_row(rows: list[tuple[str, ...]]) -> None:
    lines = fit_table(TITLES, rows, None)
    assert len(lines) == len(rows) + 1
    for row, line in zip(rows, lines[1:], strict=True):
        assert squeezed(line) == squeezed("".join(row))


@given(cells, widths)
def test_a_folded_text_has_all_its_characters(text: str, width: int) -> None:
    lines = fold_text(text, width)
    assert squeezed("".join(lines)) == squeezed(text)
    assert max(map(cell_len, lines)) <= width


OUTAGE = (
    ("store", "from", "to", "down", "then", "polls", "began between", "ended between"),
    [
        (
            *("0042", "Fri 2024-10-18 16:00", "18:00", "2:00:00", "up", "2"),
            *("15:40:00 and 16:20:00", "17:40:00 and 18:20:00"),
        )
    ],
)


def test_a_narrow_terminal_gets_every_column_with_its_title() -> None:
    assert fit_table(*OUTAGE, 120)[1].endswith("17:40:00 and 18:20:00")
    assert fit_table(*OUTAGE, 80) == [
        "0042",
        "  from: Fri 2024-10-18 16:00   to: 18:00   down: 2:00:00   then: up   polls: 2",
        "  began between: 15:40:00 and 16:20:00   ended between: 17:40:00 and 18:20:00",
    ]
    assert fit_table(*OUTAGE, 60) == [
        "0042",
        "  from: Fri 2024-10-18 16:00   to: 18:00   down: 2:00:00",
        "  then: up   polls: 2   began between: 15:40:00 and 16:20:00",
        "  ended between: 17:40:00 and 18:20:00",
    ]


def test_a_long_text_is_folded_in_its_column() -> None:
    note = "The city closed the street, and nobody could reach the store."
    assert fit_table(("id", "state", "note"), [("c1", "exclude", note)], 50) == [
        "id  state    note",
        "c1  exclude  The city closed the street, and",
        "             nobody could reach the store.",
    ]
