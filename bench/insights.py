"""Insights on sampled fleets: the skill of each method, and which planted effects are found. `python -m bench.insights`.

Samples are of `uptill sample`, whose stores have outages at random. Into some of them, effects are planted.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.insight_fleets import LAST_DAY, SampledFleet, read_fleet, sample_fleet
from services.sample.draws import Draws
from services.sample.fleet import NONE, Fleet
from services.worker.insights.fit import FittedFleet, fit_fleet
from shared.insights.chunks import Chunks, GroupsByLabel, scan_fleet
from shared.insights.patterns import Pattern, PatternList
from shared.insights.risk import REFERENCES
from shared.insights.terms import HORIZONS

_STORES = 3_678
_SMALL = 1_000
_LATE_STORES = 20
_SUNDAY = 6
_EPOCH_WEEKDAY = 3
_SEED = 7


def calm(share: float) -> "Weather":
    """Return a change of a sampled fleet: each store is up for this share of its open time, and none is dark."""
    return Weather(share)


class Weather:
    """How often the stores of a fleet are down."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, fleet: Fleet) -> Fleet:
        return replace(
            fleet,
            up_share=np.full(len(fleet.up_share), self._share),
            dark=np.zeros(len(fleet.dark), np.bool_),
        )


def print_skill(chunks: Chunks) -> None:
    """Print the skill of risk at each distance."""
    down, known = np.array([(each.history.down.sum(), each.history.known.sum()) for each in chunks()]).T.sum(
        axis=1
    )
    stores = sum(len(each.keys) for each in chunks())
    methods = fit_fleet(chunks, {}).methods
    print(f"down in {down / known:.1%} of {known / stores:.0f} hours a store")
    for horizon in HORIZONS:
        cells, sums = [], methods[f"risk_{horizon}h"].sums
        for name in REFERENCES:
            skill = sums.skill(name)
            cells.append(
                "unknown" if skill is None else f"{skill.value:6.3f} ({skill.low:.3f} to {skill.high:.3f})"
            )
        precision = sums.top_precision()
        print(
            f"| {horizon} | {' | '.join(cells)} | {'unknown' if precision is None else f'{precision:.0%}'} |"
        )


def plant_late_sundays(sampled: SampledFleet, hours: int) -> tuple[SampledFleet, set[int]]:
    """Let the first ordinary stores be down in the first hours of each Sunday; return them too."""
    polls, week = sampled.stores.polls, sampled.fleet.week
    open_hours = sampled.stores.hours
    chosen = set()
    changes = np.zeros(len(polls.at_us), dtype=np.bool_)
    local_day, second = np.divmod(sampled.local_s, 86_400)
    is_sunday = (local_day + _EPOCH_WEEKDAY) % 7 == _SUNDAY
    for store in range(len(sampled.stores.zones)):
        opens = open_hours.opens_s[(open_hours.store == store) & (open_hours.day_of_week == _SUNDAY)]
        ordinary = week[store] != NONE and len(opens) == 1 and sampled.fleet.silent_after[store] == 1
        if not ordinary or opens[0] == 0:
            continue
        late = (second >= opens[0]) & (second < opens[0] + hours * 3_600)
        changes |= (polls.store == store) & is_sunday & late
        chosen.add(store)
        if len(chosen) == _LATE_STORES:
            break
    return sampled.changed(changes, active=False), chosen


def plant_drift(sampled: SampledFleet, share: float) -> tuple[SampledFleet, set[int]]:
    """Let the first stores be down at this share of further polls in the last four weeks, by runs of half a day."""
    polls = sampled.stores.polls
    chosen = [store for store in range(len(sampled.stores.zones)) if sampled.fleet.silent_after[store] == 1]
    chosen = chosen[:_LATE_STORES]
    late = sampled.local_s >= (LAST_DAY + 1 - 28) * 86_400
    half_day = polls.store * 1_000 + sampled.local_s // 43_200 % 1_000
    struck = Draws(_SEED).uniform("drift", half_day) < share
    return sampled.changed(np.isin(polls.store, chosen) & late & struck, active=False), set(chosen)


def print_drift() -> None:
    """Print how many of the stores that got worse are found, by how often the fleet is down otherwise."""
    for up in (0.99, 0.95, 0.85):
        for share in (0.1, 0.2, 0.4):
            sampled, worse = plant_drift(sample_fleet(_SMALL, _SEED, calm(up)), share)
            fitted = fit_fleet(sampled.chunks(), {})
            found = drifting(fitted)
            cells = f"{len(found & worse)} of {len(worse)} | {len(found - worse)} | {state(fitted, 'drift')}"
            print(f"| {1 - up:.0%} | {share:.0%} | {cells} |")


def drifting(fitted: FittedFleet) -> set[int]:
    """Return the stores that drift."""
    return set(fitted.drifting.found().subject.tolist())


def state(fitted: FittedFleet, method: str) -> str:
    """Return whether a method would show what it found."""
    return "on" if fitted.is_on(method) else "off"


def franchises(stores: int) -> GroupsByLabel:
    """Return labels: franchises of 25 stores, four franchises to a region."""
    place = np.arange(stores, dtype=np.int32)
    return {"franchise": place // 25, "region": place // 100}


def print_outages() -> None:
    """Print which outages of a franchise are found, by how many of its stores are down for four hours."""
    for up in (0.99, 0.95, 0.85):
        for down in (5, 10, 20):
            sampled = sample_fleet(_SMALL, _SEED, calm(up))
            for franchise in range(10):
                polls = sampled.stores.polls
                # Each franchise on another evening of the last ten days, when most stores are open.
                begin_us = (LAST_DAY - franchise) * 86_400_000_000 + 20 * 3_600_000_000
                inside = (polls.at_us >= begin_us) & (polls.at_us < begin_us + 4 * 3_600_000_000)
                struck = (polls.store // 25 == franchise) & (polls.store % 25 < down)
                sampled = sampled.changed(inside & struck, active=False)
            fitted = fit_fleet(sampled.chunks(), franchises(_SMALL))
            named = {(one.name, one.value) for one in fitted.causes}
            right = sum(("franchise", franchise) in named for franchise in range(10))
            false = sum(one.name != "franchise" or one.value >= 10 for one in fitted.causes)
            print(f"| {1 - up:.0%} | {down} of 25 | {right} of 10 | {false} | {state(fitted, 'causes')} |")


def list_patterns(fitted: FittedFleet, chunks: Chunks) -> list[Pattern]:
    """Return the patterns that a run would find."""
    patterns = PatternList(fitted.patterns)
    scan_fleet(chunks, patterns)
    return list(patterns)


def print_late_sundays() -> None:
    """Print how many of the late stores are found, by how often the fleet is down otherwise."""
    for share in (0.99, 0.95, 0.85):
        for hours in (2, 3):
            sampled, late = plant_late_sundays(sample_fleet(_SMALL, _SEED, calm(share)), hours)
            chunks = sampled.chunks()
            fitted = fit_fleet(chunks, {})
            found = list_patterns(fitted, chunks)
            right = {one.store for one in found if one.begin // 24 == _SUNDAY} & late
            false = [one for one in found if one.store not in late]
            print(
                f"| {1 - share:.0%} | {hours} h | {len(right)} of {len(late)} | {len(false)} | {state(fitted, 'patterns')} |"
            )


def count_false(fleets: int) -> None:
    """Print how many findings fleets without effects have."""
    patterns = drifts = causes = 0
    for seed in range(fleets):
        chunks = sample_fleet(_SMALL, 100 + seed).chunks()
        fitted = fit_fleet(chunks, franchises(_SMALL))
        patterns += len(list_patterns(fitted, chunks))
        drifts += len(drifting(fitted))
        causes += len(fitted.causes)
    print(f"found, shown or not: {patterns} patterns, {drifts} drifts, {causes} causes")


def main() -> None:
    """Print all tables."""
    options = argparse.ArgumentParser(prog="python -m bench.insights", description=__doc__)
    options.add_argument("--fleets", type=int, default=20, help="fleets without effects")
    options.add_argument(
        "--data", type=Path, help="a folder with polls, hours and zones: print only their skill and findings"
    )
    given = options.parse_args()
    if given.data:
        chunks, stores = read_fleet(given.data)
        print(f"Skill on the {stores:,} stores of {given.data}")
        print_skill(chunks)
        fitted = fit_fleet(chunks, {})
        patterns = len(list_patterns(fitted, chunks))
        print(f"{patterns} patterns, {state(fitted, 'patterns')}; {len(drifting(fitted))} drifts")
        return
    print(
        f"Skill on {_STORES:,} stores of the sample: hours ahead, against the fleet's rate, the store's mean, top 1 %"
    )
    print_skill(sample_fleet(_STORES, _SEED).chunks())
    print(
        f"{_LATE_STORES} late stores on Sundays among {_SMALL:,}: other down time, length, found, false, method"
    )
    print_late_sundays()
    print(f"{_LATE_STORES} stores that got worse four weeks ago: other down time, by, found, false, method")
    print_drift()
    print("10 franchises with an outage of four hours: other down time, stores, found, false, method")
    print_outages()
    print(f"{given.fleets} fleets of {_SMALL:,} stores without effects")
    count_false(given.fleets)
    print(f"{time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
