"""docs/explanation/life-of-a-report.md shows exactly the states and updates that the code has."""

import re
from pathlib import Path
from typing import get_args

import pytest

from shared.db.queries import queries
from shared.reports.model import ReportState

_CHECKOUT = Path(__file__).parents[2]
_PAGE = (_CHECKOUT / "docs/explanation/life-of-a-report.md").read_text(encoding="utf-8")
_SQL = {**queries("reports"), **queries("presence")}
_BATCH_STATES = {"pending", "leased", "done", "dead"}


def diagrams() -> list[set[tuple[str, str]]]:
    """Return the arrows of the report's diagram and of the batch's diagram."""
    blocks = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", _PAGE, re.DOTALL)
    return [{(a, b) for a, b in re.findall(r"(\w+) --> (\w+)", block)} for block in blocks]


def tables() -> list[list[tuple[set[str], str, set[str]]]]:
    """Return the rows of each table: from which states, to which, by which queries."""
    found = []
    for block in re.findall(r"\| from \| to \|.*?\n\|[-|]+\n((?:\|.*\n)+)", _PAGE):
        rows = [[cell.strip() for cell in row.split(" | ")] for row in block.strip().splitlines()]
        found.append(
            [
                (
                    set(re.findall(r"queued|running|failed|succeeded|pending|leased|done|dead", row[0])),
                    row[1],
                    set(re.findall(r"`([a-z_]+)`", row[2])),
                )
                for row in rows
            ]
        )
    return found


def test_the_states_are_those_of_the_code() -> None:
    report, batch = diagrams()
    assert {state for arrow in report for state in arrow} == set(get_args(ReportState))
    assert {state for arrow in batch for state in arrow} == _BATCH_STATES


@pytest.mark.parametrize("number", [0, 1])
def test_the_table_and_the_diagram_have_the_same_arrows(number: int) -> None:
    arrows = {(a, to) for froms, to, _ in tables()[number] for a in froms}
    assert arrows == diagrams()[number]


def test_every_update_of_a_state_is_in_the_table_and_is_there() -> None:
    named = set().union(*(queries for table in tables() for _, _, queries in table))
    changing = {name for name, sql in _SQL.items() if re.search(r"set (\w+ = [^,]+, )*state = '", str(sql))}
    assert changing <= named
    assert named <= set(_SQL)
