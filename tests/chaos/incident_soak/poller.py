"""Stores that go down and come back, polls that come late, and corrections: `python -m tests.chaos.incident_soak.poller DIR SEED`."""

import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.chaos.incident_soak.fleet import GROUPED, GROUPS, STORES, PollSender
from tests.chaos.soak.ending import Ending

_FLIPS, _REGION_FLIPS, _LATE, _CORRECTS = 0.25, 0.1, 0.1, 0.1
_LATE_S = 30.0


def main(directory: Path, seed: str) -> None:
    """Send a call a few times a second until asked to end."""
    draw, ending = random.Random(f"{seed}/poller"), Ending(directory)
    sender = PollSender(os.environ, directory / "polls.jsonl")
    active = dict.fromkeys(STORES, True)
    sent: list[tuple[str, datetime]] = []
    while not ending.has_come():
        if draw.random() < _REGION_FLIPS:
            region, state = draw.choice(GROUPS), draw.random() < 0.5
            active |= {store: state for store, its in GROUPED.items() if its == region}
        polls: dict[tuple[str, datetime], bool] = {}
        for store in draw.sample(STORES, draw.randint(1, len(STORES))):
            if draw.random() < _FLIPS:
                active[store] = not active[store]
            polls[store, datetime.now(UTC)] = active[store]
            if draw.random() < _LATE:
                late_s = draw.uniform(0, _LATE_S)
                polls[store, datetime.now(UTC) - timedelta(seconds=late_s)] = draw.random() < 0.5
        if sent and draw.random() < _CORRECTS:
            polls[draw.choice(sent[-50:])] = draw.random() < 0.5
        sender.send((store, at, state) for (store, at), state in polls.items())
        sent.extend(polls)
        time.sleep(draw.uniform(0, 0.5))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
