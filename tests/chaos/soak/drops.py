"""Files on an SFTP server, in a process of its own: `python -m tests.chaos.soak.drops DIR SEED`.

It has the server, which goes away now and then, and a watcher that is killed. Asked to end, it waits until each file is
loaded and moved away.
"""

import random
import sys
import time
from datetime import timedelta
from pathlib import Path

from tests.chaos.soak.calls import LIVE_FROM, draw_poll
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal
from tests.chaos.soak.kept import KeptProcess
from tests.chaos.soak.late import CHUNK_BYTES
from tests.fixtures.sftp_server import SftpStand, sftp_server
from tests.oracle.report import rows_of

_ARCHIVE = "done"
_INSTANTS, _STORES = 6, 20  # of a file, which is committed in several steps
_RENAMED_SHARE = 0.5
_AGAIN_SHARE, _KILLED_SHARE, _AWAY_SHARE = 0.2, 0.1, 0.1
_MOST_AWAY_S = 3.0
_LOADED_WITHIN_S = 50.0  # once everything runs again


class Dropper:
    """Puts files into the watched folder. Each is kept elsewhere too, for those who check."""

    def __init__(self, stand: SftpStand, directory: Path, seed: str) -> None:
        self._stand = stand
        self._kept = directory / "dropped"
        self._kept.mkdir()
        self._journal, self._draw = Journal(directory / "drops.jsonl"), random.Random(f"{seed}/drops")
        self._stores = sorted({row["store_id"] for row in rows_of(directory / "sample" / "store_status.csv")})

    def send_files(self, watcher: KeptProcess, ending: Ending) -> None:
        """Drop file after file until the soak is to end. File n has polls of the n-th second."""
        number = 0
        while not ending.has_come():
            number += 1
            self._drop(number)
            if self._draw.random() < _KILLED_SHARE:
                watcher.kill()
                self._journal.write("watcher_killed")
            if self._draw.random() < _AWAY_SHARE:
                self._stand.restart(self._draw.uniform(0, _MOST_AWAY_S))
                self._journal.write("sftp_restarted")
            watcher.keep()
            time.sleep(self._draw.uniform(0.2, 1.5))

    def await_loaded(self, watcher: KeptProcess) -> bool:
        """Return whether all files were loaded in time."""
        until_s = time.monotonic() + _LOADED_WITHIN_S
        while any((self._stand.root / "in").glob("*.csv")):
            if time.monotonic() > until_s:
                return False
            watcher.keep()
            time.sleep(0.2)
        return True

    def _drop(self, number: int) -> None:
        second = LIVE_FROM + timedelta(seconds=number)
        polls = [
            # No call, no message and no other file has such an instant.
            draw_poll(self._draw, store, second + timedelta(microseconds=10 + instant))
            for instant in range(_INSTANTS)
            for store in self._draw.sample(self._stores, _STORES)
        ]
        rows = [
            f"{poll['store_id']},{poll['status']},{poll['observed_at']},{poll.get('reason', '')}\n"
            for poll in polls
        ]
        text = "store_id,status,timestamp_utc,reason\n" + "".join(rows)
        names = [f"{number:05d}.csv"]
        if self._draw.random() < _AGAIN_SHARE:
            names.append(f"{number:05d}-again.csv")  # the same bytes, which count once
        for name in names:
            file = self._kept / name
            file.write_text(text)
            self._journal.write(
                "dropped", source=self._stand.address(f"/in/{name}"), file=str(file), polls=polls
            )
            self._place(name, text)

    def _place(self, name: str, text: str) -> None:
        file = self._stand.root / "in" / name
        if self._draw.random() < _RENAMED_SHARE:
            part = file.with_name(f"{name}.part")
            part.write_text(text)
            part.rename(file)
        else:
            file.write_text(text)


def main(directory: Path, seed: str) -> int:
    with sftp_server(directory) as stand:
        env = stand.settings(
            UPTILL_SFTP_ARCHIVE=_ARCHIVE, UPTILL_CHUNK_BYTES=str(CHUNK_BYTES), UPTILL_METRICS_PORT="0"
        )
        dropper = Dropper(stand, directory, seed)
        watcher = KeptProcess(
            "services.ingest", "--watch", stand.address(), env=env, log=directory / "watcher.log"
        )
        try:
            dropper.send_files(watcher, Ending(directory))
            return 0 if dropper.await_loaded(watcher) else 1
        finally:
            watcher.kill()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
