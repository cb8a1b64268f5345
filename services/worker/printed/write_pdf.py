"""The use case of printing a finished report: read its CSV and the chosen stores at its cut, typeset, upload."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from psycopg_pool import ConnectionPool

from services.worker.formats.table import read_rows
from services.worker.load import one_snapshot
from services.worker.printed.figures import Figures, describe_figures
from services.worker.printed.fleet_page import FleetRows, add_up, describe_fleet, describe_report
from services.worker.printed.legend import describe_legend
from services.worker.printed.read import read_names, read_stores_at
from services.worker.printed.store_page import describe_forgotten, describe_store
from services.worker.printed.store_sheet import SheetTerms, compute_sheet
from services.worker.printed.typeset_apart import typeset_apart
from services.worker.provenance import FileContents
from shared.clock import to_us
from shared.db.connect import borrowed
from shared.errors import DataForgotten
from shared.reports.model import ReportFacts
from shared.storage import Storage, StoredObject
from shared.uptime.policy import DAY_US, POLICIES
from shared.uptime.window import parse_windows

# As many stores times days of polls as one batch of a report holds.
_STORE_DAYS: Final = 40_000


def print_report(
    pool: ConnectionPool, storage: Storage, csv: StoredObject, facts: ReportFacts, contents: FileContents
) -> bytes:
    """Return the PDF of a report: a page of the fleet, and one of each store if there are few enough.

    Raises `StorageUnavailable`, `ObjectLost`, `DatabaseUnavailable` and `NotTypeset`.
    """
    terms = SheetTerms.of(parse_windows(facts.windows), to_us(facts.as_of), POLICIES[facts.policy])
    fleet = FleetRows(contents.columns, terms)
    for rows in read_rows(storage.read(csv), contents.columns):
        fleet.add(rows)
    with borrowed(pool) as conn:
        names = read_names(conn, fleet.named)
    pages, totals = _describe_stores(pool, storage, fleet, facts, names)
    described = {
        "report": describe_report(contents, _labels_of(facts)),
        "legend": describe_legend(),
        "fleet": describe_fleet(fleet, totals, contents, names),
        "stores": pages,
    }
    return typeset_apart(json.dumps(described, ensure_ascii=False).encode())


def _describe_stores(
    pool: ConnectionPool, storage: Storage, fleet: FleetRows, facts: ReportFacts, names: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[Figures]]:
    """Return the pages of the stores, and the figures of all together."""
    if not fleet.few:
        return [], fleet.totals()
    pages: list[dict[str, Any]] = []
    figures = []
    try:
        for page, measured in _compute_pages(pool, storage, fleet, facts, names):
            pages.append(page)
            figures.append(measured)
    except DataForgotten:
        windows = fleet.terms.windows
        times = [""] * len(windows)
        rows = ((store_id, describe_figures(windows, each, times)) for store_id, each in fleet.few.items())
        forgotten = [describe_forgotten(each, windows, row, names.get(each)) for each, row in rows]
        return forgotten, fleet.totals()
    return pages, add_up(figures, len(fleet.terms.windows))


def _compute_pages(
    pool: ConnectionPool, storage: Storage, fleet: FleetRows, facts: ReportFacts, names: Mapping[str, str]
) -> Iterator[tuple[dict[str, Any], Any]]:
    terms, ids = fleet.terms.for_stores(fleet.stores), list(fleet.few)
    range_us = terms.range_us()
    days = (range_us[1] - range_us[0]) // DAY_US + 1
    size = max(1, _STORE_DAYS // days)
    with borrowed(pool) as conn, one_snapshot(conn, storage) as snapshot:
        for first in range(0, len(ids), size):
            some = ids[first : first + size]
            found = read_stores_at(
                conn, some, facts.read_seq, range_us, snapshot.sealed, facts.exclude_reasons
            )
            for given in found:
                sheet = compute_sheet(given, terms)
                name = names.get(given.store.store_id)
                yield describe_store(given.store, sheet, terms, name), sheet.figures


def _labels_of(facts: ReportFacts) -> Mapping[str, str]:
    """Return the labels that the report was limited to, by its caller or by the caller's key."""
    asked = facts.stores or {}
    return {**(asked.get("labels") or {}), **(facts.scope or {})}
