"""Write the file of service levels of a report: the last evaluation of each level, in total and by store.

Knows no storage. Rows come one after another, so that memory does not grow with levels and stores.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.worker.columns import LEVEL_COLUMNS
from services.worker.render import quote
from shared.formulas import inert
from shared.service_levels.terms import LevelTerms
from shared.uptime.service_level import LevelFigures, Tally

_HUNDREDTH_US: Final = 600_000
_PERIODS: Final = ("current", "previous")
# Texts that somebody chose.
_NAMES: Final = ("level", "store_id")


def level_lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield the lines of the file, the header first. The rows are those of the query `of_report`."""
    names = [column.name for column in LEVEL_COLUMNS]
    yield f"{','.join(names)}\n".encode()
    for row in rows:
        values = {**_describe(row), **_describe_figures(row)}
        yield f"{','.join(values[name] for name in names)}\n".encode()


def _describe(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        **{name: quote(inert(row[name])) for name in _NAMES},
        "period": _PERIODS[row["ago"]],
        **{name: row[name].isoformat() for name in ("first_day", "last_day", "through")},
        "target": _decimals(_target_ppm(row), 6),
        "state": row["state"],
        "days_missing": str(row["days_missing"]),
        "as_of": f"{row['as_of']:%Y-%m-%dT%H:%M:%S.%fZ}",
        "evaluated_at": f"{row['evaluated_at']:%Y-%m-%dT%H:%M:%S.%fZ}",
    }


def _describe_figures(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the numbers as answers over HTTP round them: used minutes up, all others down."""
    figures = LevelFigures(_target_ppm(row), *(row[name] for name in Tally.__slots__))
    counted, budget = (us // _HUNDREDTH_US for us in (figures.counted_us, figures.budget_us))
    used = -(-figures.down_us // _HUNDREDTH_US)
    return {
        "achieved": _decimals(figures.achieved_ppm, 6),
        "counted_minutes": _decimals(counted, 2),
        "budget_minutes": _decimals(budget, 2),
        "used_minutes": _decimals(used, 2),
        "left_minutes": _decimals(budget - used, 2),
        "burn_rate": _decimals(figures.burn_rate_percent, 2),
        "projected": _decimals(figures.projected_ppm, 6),
    }


def _target_ppm(row: Mapping[str, Any]) -> int:
    return LevelTerms(row["target"]).target_ppm


def _decimals(number: int | None, digits: int) -> str:
    if number is None:
        return ""
    text = f"{abs(number):0{digits + 1}}"
    return f"{'-' * (number < 0)}{text[:-digits]}.{text[-digits:]}"
