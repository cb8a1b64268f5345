"""What each store is now equals what the oracle says, in 40 zones, and stays so until the instant that the engine names."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.batch import StoreHistory
from shared.uptime.live import DOWN_ACCRUES, STATES, UP_ACCRUES, LiveRows, live_rows
from tests.oracle.accounting import HOUR_US, MINUTE_US, Poll
from tests.oracle.adjusted import TermsStore, inputs_of, plain
from tests.oracle.engine import polls_of
from tests.oracle.live import Live, live
from tests.property.stores import durations_us
from tests.property.terms import Batch, batches, some

SILENT_AFTER = st.one_of(st.sampled_from((MINUTE_US, 3 * HOUR_US, 72 * HOUR_US)), durations_us(30 * HOUR_US))


def rows_of(stores: list[TermsStore], now_us: int, silent_us: int) -> LiveRows:
    hours, adjustments = inputs_of(stores)
    history = StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores)))
    return live_rows(history, now_us, silent_us, adjustments=adjustments)


def seen_at(rows: LiveRows, number: int, now_us: int) -> Live:
    """A row in the oracle's form, with its times at an instant until which it holds."""
    row = {field.name: getattr(rows, field.name)[number].item() for field in fields(rows)}
    elapsed_us = now_us - row["counted_us"]

    def instant(name: str) -> int | None:
        return None if row[name] < 0 else row[name]

    state = STATES[row["state"]].value
    return Live(
        state,
        instant("since_earliest_us"),
        instant("since_latest_us"),
        None if row["last_poll_us"] < 0 else Poll(row["last_poll_us"], row["last_active"]),
        instant("hours_from_us"),
        instant("open_from_us"),
        instant("open_until_us"),
        instant("opens_at_us"),
        row["up_us"] + (elapsed_us if row["accrues"] == UP_ACCRUES else 0),
        row["down_us"] + (elapsed_us if row["accrues"] == DOWN_ACCRUES else 0),
        row["down_open_us"] + (elapsed_us if state == "down" else 0),
        row["inactive_polls"],
        instant("usual_gap_us"),
    )


@some
@given(batch=batches(), silent_us=SILENT_AFTER)
def test_each_store_is_what_the_oracle_says(batch: Batch, silent_us: int) -> None:
    stores, now_us = batch
    rows = rows_of(stores, now_us, silent_us)
    for number, store in enumerate(stores):
        assert seen_at(rows, number, now_us) == live(*store, now_us, silent_us)


@some
@given(batch=batches(), silent_us=SILENT_AFTER, part=st.floats(0, 1, exclude_max=True))
def test_a_row_holds_until_the_instant_that_it_names(batch: Batch, silent_us: int, part: float) -> None:
    stores, now_us = batch
    rows = rows_of(stores, now_us, silent_us)
    for number, store in enumerate(stores):
        changes_us = int(rows.changes_us[number])
        assert changes_us > now_us
        later_us = min(now_us + int((changes_us - now_us) * part), changes_us - 1)
        assert seen_at(rows, number, later_us) == live(*store, later_us, silent_us)
        # And what is written is the same, so that a worker that looks again writes nothing.
        again = rows_of([store], later_us, silent_us)
        for field in fields(LiveRows):
            first, second = getattr(rows, field.name)[number], getattr(again, field.name)[0]
            np.testing.assert_equal(second, first, err_msg=field.name)
