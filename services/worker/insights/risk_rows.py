"""Rows of `store_risk`: what predicts the next hours of each store, and which level drives it."""

from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.worker.insights.fleet import StoredChunk
from shared.db.arrays import byte_array, key_array, real_array
from shared.db.queries import queries
from shared.insights.history import WEEK_HOURS, slots_of
from shared.insights.risk import RiskModel, StoreRisk, predict_chunk
from shared.insights.terms import HORIZONS, RATE_UNIT

_OPEN_HOURS: Final = HORIZONS[-1]
_DRIVERS: Final = ("fleet", "label", "store", "slot")
_SQL = queries("insights")


def create_spool(conn: psycopg.Connection) -> None:
    """Create the empty table of this session that holds the rows of a run until `replace_risks`.

    A read-only transaction may write to it, but may not create it.
    """
    conn.execute(_SQL["drop_risk_spool"])
    conn.execute(_SQL["create_risk_spool"])


def spool_chunk(conn: psycopg.Connection, chunk: StoredChunk, model: RiskModel) -> None:
    """Write the rows of a chunk to the spool."""
    conn.execute(_SQL["spool_risk"], _risk_rows(chunk, model))


def replace_risks(conn: psycopg.Connection, run_id: object) -> None:
    """Replace the risks of the run before with the spooled ones."""
    conn.execute(_SQL["forget_risk"])
    conn.execute(_SQL["insert_risk"], {"run_id": run_id})
    conn.execute(_SQL["drop_risk_spool"])


def _risk_rows(chunk: StoredChunk, model: RiskModel) -> dict[str, Any]:
    """Return the columns of the rows of a chunk."""
    risk = predict_chunk(chunk, model)
    expected, mean = _expect(chunk, risk)
    slots = chunk.history.slots
    by_slot = np.empty_like(risk.rates)
    by_slot[:, slots] = risk.rates
    packed = np.rint(np.clip(by_slot, 0, 1) * RATE_UNIT).astype(">u2")
    return {
        "store_keys": key_array(chunk.keys),
        "rates": byte_array(packed.view(np.uint8)),
        "last_down": real_array(risk.last_down),
        "last_rate": real_array(risk.last_rate),
        "group_rate": real_array(risk.group_rates),
        "store_rate": real_array(risk.store_rates),
        "expected_hours": real_array(expected),
        "driver": _drivers(risk, mean),
    }


def _expect(chunk: StoredChunk, risk: StoreRisk) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expected down hours among the next open hours of each store, and the mean rate of these hours."""
    opened = chunk.coming > 0
    counted = opened & (np.cumsum(opened, axis=1) <= _OPEN_HOURS)
    slots = slots_of(chunk.history.last_day + 1, chunk.coming.shape[1])
    # The rates begin with the slot of the first hour to come.
    rates = risk.rates[:, np.arange(len(slots)) % WEEK_HOURS]
    expected = np.where(counted, rates, 0).sum(axis=1, dtype=np.float64)
    hours = counted.sum(axis=1)
    return expected, np.where(hours > 0, expected / np.maximum(hours, 1), risk.store_rates)


def _drivers(risk: StoreRisk, mean: NDArray[np.float64]) -> list[str]:
    """Return the level that raises the risk of each store most above that of the level before; the fleet, if none does."""
    steps = np.stack(
        (
            np.full(len(mean), 1e-3),
            risk.group_rates - risk.fleet_rate,
            risk.store_rates - risk.group_rates,
            mean - risk.store_rates,
        )
    )
    return [_DRIVERS[place] for place in steps.argmax(axis=0).tolist()]
