"""How far the policies are from a known truth: `python -m bench.accuracy` prints the tables of the accounting page.

It also draws the page's picture. Needs no server. The same seed gives the same numbers on every machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.line_picture import draw_lines
from bench.truth import AS_OF_US, CLOSES_US, DAYS, OPENS_US, minutes, poll, simulate
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.calendar import Hours
from shared.uptime.kernel import Measures
from shared.uptime.policy import MINUTE_US, POLICIES
from shared.uptime.window import parse_windows

SEED: Final = 20_241_014
STORES: Final = 4000
SHARE_DOWN: Final = 0.046
CADENCES_MIN: Final = (10, 30, 60, 180)
OUTAGES_MIN: Final = (10, 60, 240)
LOST: Final = 0.3  # of the polls, in the second half of the table of bounds


PICTURE: Final = Path(__file__).parents[1] / "docs/assets/accuracy.svg"
_DRAWN: Final = ("backfill-1m", "slots-15m", "hold", "classic")
_DRAWN_OUTAGE_MIN: Final = 60
_SHOWN: Final = ("classic", "strict", "hold", "slots-15m", "carry", "backfill-1m")


@dataclass(frozen=True)
class Accuracy:
    """Errors of downtime in minutes per store and week of 84 open hours, and how good the bounds are.

    `covered` is the share of the stores whose true uptime lies between `up_min` and `up_max`, `width_min` the mean
    distance of these.
    """

    bias_min: float
    rmse_min: float
    covered: float
    width_min: float

    def __str__(self) -> str:
        return f"{round(self.bias_min)} / {self.rmse_min:.0f}"


def measure_accuracy(cadence_min: int, outage_min: int, share_lost: float) -> Mapping[str, Accuracy]:
    """Return the accuracy of each policy on one simulated fleet."""
    random = np.random.default_rng((SEED, cadence_min, outage_min, int(100 * share_lost)))
    outages = simulate(random, STORES, outage_min * MINUTE_US, SHARE_DOWN)
    polls = poll(random, outages, cadence_min * MINUTE_US, share_lost)
    stores = StoreHistory(["UTC"] * STORES, _daily_hours(), polls)
    window = parse_windows(["last_week"])
    true_down_us = outages.down_us()
    return {
        policy.name: _compare(measure_batch(stores, AS_OF_US, window, policy), true_down_us)
        for policy in POLICIES.values()
    }


def _daily_hours() -> Hours:
    store, day = (part.ravel() for part in np.meshgrid(np.arange(STORES), np.arange(DAYS), indexing="ij"))
    opens_s, closes_s = (np.full(len(store), time_us // 1_000_000) for time_us in (OPENS_US, CLOSES_US))
    return Hours(store, day, opens_s, closes_s)


def _compare(found: Measures, true_down_us: NDArray[np.int64]) -> Accuracy:
    error_min = minutes(found.down_us[:, 0] - true_down_us)
    true_up_us = found.open_us[:, 0] - true_down_us
    lowest_us, highest_us = found.up_min_us[:, 0], found.up_max_us[:, 0]
    return Accuracy(
        float(error_min.mean()),
        float(np.sqrt((error_min**2).mean())),
        float(((lowest_us <= true_up_us) & (true_up_us <= highest_us)).mean()),
        float(minutes(highest_us - lowest_us).mean()),
    )


def error_row(outage_min: int, cadence_min: int, found: Mapping[str, Accuracy]) -> str:
    """Return a line of the table of errors."""
    cells = (str(outage_min), str(cadence_min), *(str(found[policy]) for policy in _SHOWN))
    return f"| {' | '.join(cells)} |"


def bounds_row(cadence_min: int, share_lost: float) -> str:
    """Return a line of the table of bounds: for each mean length of outages, the share covered and the width."""
    found = [measure_accuracy(cadence_min, outage_min, share_lost)["classic"] for outage_min in OUTAGES_MIN]
    cells = (f"{100 * one.covered:.1f} % / {one.width_min / 60:.1f} h" for one in found)
    return f"| {cadence_min} | {share_lost:.0%} | {' | '.join(cells)} |"


def main() -> None:
    """Print both tables and draw the picture."""
    print(f"| outage | polls every | {' | '.join(_SHOWN)} |")
    print("|---|---|" + "---|" * len(_SHOWN))
    errors_min: dict[str, list[float]] = {policy: [] for policy in _DRAWN}
    for outage_min in OUTAGES_MIN:
        for cadence_min in CADENCES_MIN:
            found = measure_accuracy(cadence_min, outage_min, 0)
            print(error_row(outage_min, cadence_min, found))
            if outage_min == _DRAWN_OUTAGE_MIN:
                for policy, errors in errors_min.items():
                    errors.append(found[policy].rmse_min)
    PICTURE.write_text(draw_lines(CADENCES_MIN, errors_min))
    print("\n| polls every | lost |" + "".join(f" outages of {one} min |" for one in OUTAGES_MIN))
    print("|---|---|" + "---|" * len(OUTAGES_MIN))
    for share_lost in (0, LOST):
        for cadence_min in CADENCES_MIN:
            print(bounds_row(cadence_min, share_lost))


if __name__ == "__main__":
    main()
