"""Late, new, corrected and repeated polls, and changed hours, zones, special hours and closures, that never stop coming:
`python -m tests.chaos.soak.late DIR SEED`.

Files, in small chunks, by `uptill ingest`, which is killed now and then and started again on the same file; and calls of
the ingest service. A process of its own, which ends when it is asked to.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from tests.chaos.soak.calls import REASONS, Calls
from tests.chaos.soak.changes import EVERY_STORE, ChangeCalls
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal
from tests.chaos.soak.sealing import FIRST as OLD_FIRST
from tests.chaos.soak.sealing import LAST as OLD_LAST
from tests.oracle.report import rows_of

# The first and the last instant lie in the weeks of the first load: those have their keys.
FIRST, LAST = datetime(2024, 10, 12, tzinfo=UTC), datetime(2024, 10, 19, tzinfo=UTC)
CHUNK_BYTES = 4096  # the least there may be: a file of three hundred rows is committed in five steps
_KILLED_SHARE = 0.2
_OLD_SHARE = 0.3  # of the files of polls: these are polls of weeks that are mostly sealed
_ZONES = ("America/Chicago", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")


class Files(Thread):
    """Loads file after file; each to its end, however often its process dies."""

    def __init__(self, directory: Path, seed: str, stores: Sequence[str], journal: Journal) -> None:
        super().__init__()
        self._draw = random.Random(f"{seed}/files")
        self._directory, self._ending, self._journal = directory / "late", Ending(directory), journal
        self._stores = list(stores)
        self._given: list[tuple[str, datetime]] = []
        self._draws_old = False

    def run(self) -> None:
        self._directory.mkdir()
        number = 0
        while not self._ending.has_come():
            kinds = {
                "polls": self._polls,
                "hours": self._hours,
                "zones": self._zones,
                "special": self._special_hours,
                "closures": self._closures,
            }
            kind = self._draw.choices([*kinds], [6, 1, 1, 1, 1])[0]
            file = self._directory / f"{number:05d}-{kind}.csv"
            file.write_text(kinds[kind]())
            self._load(file)
            number += 1
            time.sleep(self._draw.uniform(0, 1.5))

    def _load(self, file: Path) -> None:
        while True:
            loader = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "ingest", str(file)],
                env={**os.environ, "UPTILL_CHUNK_BYTES": str(CHUNK_BYTES)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._draw.random() < _KILLED_SHARE:
                time.sleep(self._draw.uniform(0.5, 2.5))
                loader.kill()
            if loader.wait() == 0:
                self._journal.write("file_loaded", file=str(file))
                return
            self._journal.write("file_interrupted", file=str(file), code=loader.returncode)
            time.sleep(0.5)

    def _polls(self) -> str:
        self._draws_old = self._draw.random() < _OLD_SHARE
        rows = [self._poll() for _ in range(self._draw.randrange(20, 400))]
        return "store_id,status,timestamp_utc,reason\n" + "".join(
            f"{store_id},{self._draw.choice(['active', 'active', 'inactive'])},{at:%Y-%m-%d %H:%M:%S.%f} UTC,"
            f"{self._draw.choice(REASONS)}\n"
            for store_id, at in rows
        )

    def _poll(self) -> tuple[str, datetime]:
        if self._given and self._draw.random() < 0.2:
            return self._draw.choice(self._given)  # again: a duplicate or a correction
        if self._draw.random() < 0.01:
            self._stores.append(f"new-{len(self._stores):04d}")
        first, last = (OLD_FIRST, OLD_LAST) if self._draws_old else (FIRST, LAST)
        given = (self._draw.choice(self._stores), first + (last - first) * self._draw.random())
        self._given.append(given)
        return given

    def _hours(self) -> str:
        """Weekly hours: of some stores from a date on, of the others without a date."""
        rows = []
        for store_id in self._draw.sample(self._stores, 3):
            begins = FIRST.date() + timedelta(days=self._draw.randrange((LAST - FIRST).days))
            since = self._draw.choice(["", str(begins)])
            for day in self._draw.sample(range(7), 5):
                opens, closes = sorted(self._draw.sample(range(24), 2))
                rows.append(f"{store_id},{day},{opens:02d}:00:00,{closes:02d}:30:00,{since}\n")
        return "store_id,dayOfWeek,start_time_local,end_time_local,effective_from\n" + "".join(rows)

    def _zones(self) -> str:
        rows = [f"{store},{self._draw.choice(_ZONES)}\n" for store in self._draw.sample(self._stores, 3)]
        return "store_id,timezone_str\n" + "".join(rows)

    def _special_hours(self) -> str:
        rows = []
        for store_id in self._draw.sample(self._stores, 3):
            for day in self._draw.sample(range((LAST - FIRST).days), 2):
                at = f"{store_id},{FIRST.date() + timedelta(days=day)}"
                hours = sorted(self._draw.sample(range(24), self._draw.choice([0, 2, 4])))
                pairs = zip(hours[::2], hours[1::2], strict=True)
                rows += [f"{at},{opens:02d}:00:00,{closes:02d}:30:00\n" for opens, closes in pairs] or [
                    f"{at},,\n"
                ]
        return "store_id,date,start_time_local,end_time_local\n" + "".join(rows)

    def _closures(self) -> str:
        """In whole seconds, so that no closure of a call has the same start."""
        rows = []
        for store_id in self._draw.sample([*self._stores, *[EVERY_STORE] * 2], 3):
            starts_at = FIRST + self._draw.randrange(7 * 86_400) * timedelta(seconds=1)
            ends_at = starts_at + timedelta(minutes=self._draw.choice([20, 300, 2000]))
            treatment = self._draw.choice(["exclude", "as_up", "ignore"])
            rows.append(f"{store_id},{starts_at.isoformat()},{ends_at.isoformat()},{treatment},holiday,\n")
        return "store_id,starts_at,ends_at,treatment,reason,note\n" + "".join(rows)


def main(directory: Path, seed: str) -> None:
    stores = sorted({row["store_id"] for row in rows_of(directory / "sample" / "store_status.csv")})
    journal = Journal(directory / "late.jsonl")
    threads = [kind(directory, seed, stores, journal) for kind in (Files, Calls, ChangeCalls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
