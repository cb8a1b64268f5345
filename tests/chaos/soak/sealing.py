"""Old weeks of polls that are sealed again and again, and opened by late polls: `python -m tests.chaos.soak.sealing DIR SEED`.

A process of its own, which ends when it is asked to. And the polls of these weeks, and their end.
"""

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from shared.settings import load_settings
from tests.chaos.soak.ending import Ending
from tests.fixtures.services import wait_until

# Two weeks that ended more than 14 days before the newest poll of the first load, so they may be sealed.
FIRST, LAST = datetime(2024, 9, 16, tzinfo=UTC), datetime(2024, 9, 30, tzinfo=UTC)
_POLLED_STORES = 8
_PERIOD = timedelta(hours=5)
_PAUSE_S = (1.0, 6.0)
_OPENING_S = 60.0
# A week that was opened rests for a day, and one whose opening failed for five minutes: both have passed.
_NO_REST = (
    "update sealed_week set opened_at = opened_at - interval '2 days' where opened_at > now() - interval '1 day'",
    "update report set finished_at = finished_at - interval '1 hour' where kind = 'unseal' and state = 'failed'",
)


def write_old_polls(file: Path, seed: str, stores: Sequence[str]) -> None:
    """Write polls of some stores in the old weeks."""
    draw = random.Random(f"{seed}/old")
    instants = [FIRST + number * _PERIOD for number in range((LAST - FIRST) // _PERIOD)]
    rows = (
        f"{store_id},{draw.choice(['active', 'active', 'inactive'])},"
        f"{at + _PERIOD * draw.random():%Y-%m-%d %H:%M:%S.%f} UTC\n"
        for store_id in stores[:_POLLED_STORES]
        for at in instants
    )
    file.write_text("store_id,status,timestamp_utc\n" + "".join(rows))


def end_rest(conn: psycopg.Connection) -> None:
    """Make it late enough to seal opened weeks, and to open those that were not opened the last time."""
    for statement in _NO_REST:
        conn.execute(statement.encode())


def open_all(conn: psycopg.Connection) -> None:
    """Have every sealed week opened, so that the table must hold each poll again. Services must be running."""

    def is_open() -> bool:
        end_rest(conn)
        conn.execute("update sealed_week set wanted_at = now() where opened_at is null and wanted_at is null")
        left = "select exists (select from sealed_week where opened_at is null)"
        busy = "select exists (select from report where kind in ('seal', 'unseal') and state in ('queued', 'running'))"
        return conn.execute(left).fetchone() == conn.execute(busy).fetchone() == (False,)

    wait_until(is_open, "the sealed weeks", within_s=_OPENING_S)


def main(directory: Path, seed: str) -> None:
    draw, ending = random.Random(f"{seed}/sealing"), Ending(directory)
    url = load_settings().require("database_url").database_url.get_secret_value()
    command = [sys.executable, "-m", "services.cli", "archive", "--before", f"{LAST:%Y-%m-%d}", "--no-wait"]
    while not ending.has_come():
        try:
            with psycopg.connect(url, autocommit=True) as conn:
                end_rest(conn)
        except psycopg.OperationalError:
            pass  # Postgres is down
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(*_PAUSE_S))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
