"""Insights on simulated fleets: shrunk rates, scores, patterns. Each has an effect that is planted, or none at all."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from shared.insights.binomial import believed, upper_tails
from shared.insights.cause_scores import CauseScores
from shared.insights.causes import CauseChoice, CauseScan, CommonCause
from shared.insights.chunks import Chunks, FleetChunk, scan_fleet
from shared.insights.drift import (
    DriftChanges,
    DriftScan,
    DriftScores,
    GroupDays,
    effect_in_logits,
    find_changes,
)
from shared.insights.history import HOURS, WEEK_HOURS, HourHistory, ring_places
from shared.insights.hours import count_minutes, count_open_minutes
from shared.insights.patterns import PatternList, PatternScan, choose_patterns, score_patterns
from shared.insights.rates import RateSums
from shared.insights.risk import FIRST_SCORED, RiskModel, fit_risk, predict_chunk, score_risk
from shared.insights.scores import ScoreSums, Skill
from shared.insights.sentences import describe_pattern
from shared.insights.terms import DAYS, HORIZONS, WEEKS
from shared.uptime.batch import StoreHistory
from shared.uptime.calendar import Hours
from shared.uptime.states import Polls

# A Sunday.
LAST_DAY = (datetime(2024, 10, 13, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


def fleet(rates: np.ndarray, *, seed: int, chunk: int = 64, outage_hours: float = 1.0) -> Chunks:
    """Return a fleet that is open from 10 to 22 and polled each hour. `rates` has the shape (stores, 8, 168), or less.

    An outage that began goes on for `outage_hours` open hours on average. One hour: all hours are independent.
    """
    draws = np.random.default_rng(seed)
    rates = np.broadcast_to(rates, (rates.shape[0], WEEKS, WEEK_HOURS)).reshape(-1, HOURS)
    hour = np.arange(HOURS) % 24
    is_open = (hour >= 10) & (hour < 22)
    down = np.zeros(rates.shape, dtype=np.bool_)
    state = draws.random(len(rates)) < rates[:, 0]
    for place in np.flatnonzero(is_open):
        begins = rates[:, place] / (outage_hours * (1 - rates[:, place]) if outage_hours > 1 else 1)
        goes_on = 1 - 1 / outage_hours if outage_hours > 1 else rates[:, place]
        state = draws.random(len(rates)) < np.where(state, goes_on, begins)
        down[:, place] = state
    minutes = np.zeros((len(rates), 3, HOURS), dtype=np.uint8)
    minutes[:, 0], minutes[:, 1] = 60 * (is_open & ~down), 60 * (is_open & down)

    def chunks() -> Iterator[FleetChunk]:
        for first in range(0, len(rates), chunk):
            part = minutes[first : first + chunk]
            yield FleetChunk(
                first,
                np.arange(first, first + len(part)),
                HourHistory(part, LAST_DAY),
                np.zeros(len(part), dtype=np.int64),
            )

    return chunks


def test_minutes_count_the_polls_of_each_open_hour() -> None:
    chicago = ZoneInfo("America/Chicago")
    hours = Hours(*(np.array(column) for column in ([0] * 7, range(7), [36_000] * 7, [79_200] * 7)))
    day = datetime(2024, 10, 13, tzinfo=chicago)
    at = [
        (day.replace(hour=10, minute=5), True),
        (day.replace(hour=12, minute=10), False),
        (day.replace(hour=12, minute=40), True),
        (day.replace(hour=23), False),
    ]
    polls = Polls(
        np.zeros(len(at), dtype=np.int64),
        np.array([int(instant.timestamp()) * 1_000_000 for instant, _ in at]),
        np.array([active for _, active in at]),
    )
    minutes = count_minutes(StoreHistory(["America/Chicago"], hours, polls), LAST_DAY, 1)
    assert minutes.shape == (1, 3, 24)
    assert minutes[0, :, 10].tolist() == [60, 0, 0]
    assert minutes[0, :, 11].tolist() == [0, 0, 60]
    assert minutes[0, :, 12].tolist() == [30, 30, 0]
    assert minutes[0, :, 23].tolist() == [0, 0, 0], "closed"
    assert minutes.sum() == 12 * 60
    opened = count_open_minutes(StoreHistory(["America/Chicago"], hours, polls), LAST_DAY, 1)
    assert opened.tolist() == minutes.sum(axis=1).tolist()


@pytest.mark.parametrize(
    "zone", ["America/Chicago", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", None]
)
def test_minutes_agree_with_a_slow_count(zone: str | None) -> None:
    name = zone or "America/Chicago"
    draws = np.random.default_rng(5)
    start = datetime(2024, 10, 20, tzinfo=UTC)
    instants = sorted({start + timedelta(seconds=int(s)) for s in draws.integers(0, 21 * 86_400, 3_000)})
    active = draws.random(len(instants)) < 0.7
    hours = Hours(*(np.array(column) for column in ([0] * 7, range(7), [37_800] * 7, [3_600] * 7)))
    first_day, days = (start - datetime(1970, 1, 1, tzinfo=UTC)).days + 2, 16
    polls = Polls(
        np.zeros(len(instants), dtype=np.int64),
        np.array([int(at.timestamp()) * 1_000_000 for at in instants]),
        active,
    )
    minutes = count_minutes(StoreHistory([zone], hours, polls), first_day, days)
    taken: dict[int, list[bool]] = {}
    for at, is_active in zip(instants, active.tolist(), strict=True):
        local = at.astimezone(ZoneInfo(name)).replace(tzinfo=UTC)
        if local.hour * 60 + local.minute < 60 or local.hour * 60 + local.minute >= 630:
            hour = int((local - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) // 3_600 - first_day * 24
            taken.setdefault(hour, []).append(is_active)
    for hour in range(days * 24):
        up, down, unknown = (int(value) for value in minutes[0, :, hour])
        states = taken.get(hour)
        if states is None:
            assert (up, down) == (0, 0)
        else:
            assert unknown == 0
            assert down / (up + down) == pytest.approx(
                states.count(False) / len(states), abs=0.51 / (up + down)
            )


def test_a_ring_keeps_eight_weeks() -> None:
    ring = np.zeros((1, 3, HOURS), dtype=np.uint8)
    for day in range(LAST_DAY - 70, LAST_DAY + 1):
        ring[:, 0, ring_places(day, 1)] = day % 251
    history = HourHistory.of_rings(ring, LAST_DAY)
    days = [day % 251 for day in range(LAST_DAY - DAYS + 1, LAST_DAY + 1)]
    assert history.minutes[0, 0].tolist() == [day for day in days for _ in range(24)]
    assert history.slots[0] == 0, "the day after a Sunday is a Monday"


def test_tails_are_exact() -> None:
    for trials in (1, 4, 8, 40):
        for hits in range(trials + 1):
            exact = sum(math.comb(trials, n) * 0.3**n * 0.7 ** (trials - n) for n in range(hits, trials + 1))
            (tail,) = upper_tails(np.array([hits]), np.array([trials]), np.array([0.3]))
            assert tail == pytest.approx(exact, rel=1e-9)
    certain = upper_tails(np.array([3, 0]), np.array([3, 3]), np.array([1.0, 0.0]))
    assert certain.tolist() == pytest.approx([1.0, 1.0])


def test_few_of_many_tests_are_believed() -> None:
    assert believed(np.array([1e-9, 0.04, 0.2]), 1_000, 0.05).tolist() == [True, False, False]
    assert believed(np.array([0.01, 0.04, 0.2]), 3, 0.05).tolist() == [True, False, False]
    assert believed(np.array([0.02, 0.03, 0.04]), 3, 0.05).tolist() == [True, True, True]
    assert believed(np.zeros(0), 0, 0.05).tolist() == []


def skill_of(sums: ScoreSums, reference: str) -> Skill:
    skill = sums.skill(reference)
    assert skill is not None
    return skill


def test_scores_of_known_predictions() -> None:
    sums = ScoreSums(2, ("mean",))
    day, down = np.array([0, 0, 1, 1]), np.array([1.0, 0.0, 1.0, 0.0])
    sums.add(day, down, down, mean=np.full(4, 0.5))
    skill = skill_of(sums, "mean")
    assert (skill.value, skill.low, skill.high, skill.is_proven) == (1.0, 1.0, 1.0, True)
    assert [(one.predicted, one.observed, one.hours) for one in sums.calibration()] == [(0, 0, 2), (1, 1, 2)]
    assert sums.top_precision() == 1.0
    nothing = ScoreSums(2, ("mean",))
    assert (nothing.skill("mean"), nothing.calibration(), nothing.top_precision()) == (None, [], None)


def test_skill_is_unknown_if_only_one_day_could_be_scored() -> None:
    sums = ScoreSums(2, ("mean",))
    sums.add(np.zeros(4, dtype=np.int64), np.ones(4), np.ones(4), mean=np.full(4, 0.5))
    assert sums.skill("mean") is None
    # On the second day the reference made no error, so there is nothing to be better than.
    sums.add(np.ones(4, dtype=np.int64), np.ones(4), np.ones(4), mean=np.ones(4))
    assert sums.skill("mean") is None
    assert sums.top_precision() == 1.0


def summed(chunks: Chunks, groups: dict[str, np.ndarray] | None = None) -> RateSums:
    sums = RateSums(groups or {})
    scan_fleet(chunks, sums)
    return sums


def fitted(chunks: Chunks) -> RiskModel:
    return fit_risk(chunks, summed(chunks), None)


def pattern_scan(chunks: Chunks) -> PatternScan:
    scan = PatternScan(summed(chunks).plain_rates(FIRST_SCORED))
    scan_fleet(chunks, scan)
    return scan


def drift_scan(chunks: Chunks) -> DriftScan:
    scan = DriftScan()
    scan_fleet(chunks, scan)
    return scan


def drifting(chunks: Chunks) -> DriftChanges:
    return drift_scan(chunks).before(WEEKS)


def test_risk_has_skill_where_stores_differ_and_outages_last() -> None:
    draws = np.random.default_rng(1)
    rates = draws.beta(1, 12, (300, 1, 1))
    chunks = fleet(rates, seed=2, outage_hours=4)
    model = fitted(chunks)
    sums = score_risk(chunks, model)
    skills = {horizon: skill_of(sums[horizon], "store_mean") for horizon in HORIZONS}
    assert skills[1].is_proven
    assert skills[1].value > 0.2 > skills[24].value, skills
    assert skill_of(sums[24], "fleet_rate").is_proven
    assert model.memory[WEEKS][0] == pytest.approx(0.75, abs=0.06), "the chance that an outage goes on"
    for one in sums[1].calibration():
        assert one.observed == pytest.approx(one.predicted, abs=0.03)


def test_risk_claims_no_skill_where_there_is_none() -> None:
    chunks = fleet(np.full((300, 1, 1), 0.05), seed=3)
    model = fitted(chunks)
    for horizon, sums in score_risk(chunks, model).items():
        assert not skill_of(sums, "fleet_rate").is_proven, horizon


def test_the_week_that_is_scored_is_not_known() -> None:
    """What happens in the last week changes no prediction for it, except by its own earlier hours."""
    rates = np.random.default_rng(4).beta(1, 12, (80, 1, 1))
    chunks = fleet(rates, seed=5)

    def changed() -> Iterator[FleetChunk]:
        for chunk in chunks():
            minutes = chunk.history.minutes.copy()
            minutes[:, :2, 7 * WEEK_HOURS :] = minutes[:, 1::-1, 7 * WEEK_HOURS :]
            yield replace(chunk, history=HourHistory(minutes, LAST_DAY))

    one, other = fitted(chunks), fitted(changed)
    for chunk, altered in zip(chunks(), changed(), strict=True):
        assert np.array_equal(one.rates(chunk, 7), other.rates(altered, 7))
    assert np.array_equal(one.memory[7], other.memory[7])
    assert one.strengths[7] == other.strengths[7]


def test_the_risk_of_an_hour_follows_its_history() -> None:
    rates = np.full((50, 1, WEEK_HOURS), 0.02)
    rates[7, 0, 6 * 24 + 10 : 6 * 24 + 12] = 0.95
    chunks = fleet(rates, seed=6)
    model = fitted(chunks)
    (chunk,) = chunks()
    risk = predict_chunk(chunk, model)
    assert risk.rates[7, 6 * 24 + 10] > 5 * risk.rates[7, 6 * 24 + 15]
    assert risk.rates[7, 6 * 24 + 10] > 5 * risk.rates[8, 6 * 24 + 10]


def test_late_sundays_are_found_and_scored() -> None:
    rates = np.full((200, 1, WEEK_HOURS), 0.04)
    rates[11, 0, 6 * 24 + 10 : 6 * 24 + 12] = 0.9
    chunks = fleet(rates, seed=8)
    scan = pattern_scan(chunks)
    listed = PatternList(scan)
    scan_fleet(chunks, listed)
    (found,) = listed
    assert (found.store, found.begin // 24, found.opens, found.closes) == (11, 6, True, False)
    assert 10 <= found.begin % 24 < found.begin % 24 + found.width <= 13
    assert "Late opening on Sundays: down 10:00-1" in describe_pattern(found)
    assert f"in {found.down} of {found.weeks} weeks" in describe_pattern(found)
    skill = skill_of(score_patterns(scan), "store_mean")
    assert skill.is_proven, skill


def test_nothing_is_found_where_there_is_nothing() -> None:
    for seed in range(5):
        scan = pattern_scan(fleet(np.random.default_rng(seed).beta(1, 9, (150, 1, 1)), seed=seed))
        assert len(choose_patterns(scan, WEEKS).store) == 0


def test_drift_is_found_with_its_day_and_size() -> None:
    rates = np.full((120, WEEKS, WEEK_HOURS), 0.05)
    rates[5, 4:] = 0.3
    rates[6, :3], rates[6, 3:] = 0.4, 0.05
    chunks = fleet(rates, seed=9)
    scan = drift_scan(chunks)
    found = scan.before(WEEKS).found()
    assert sorted(found.subject.tolist()) == [5, 6]
    worse, better = found.subject.tolist().index(5), found.subject.tolist().index(6)
    assert found.day[worse] == pytest.approx(28, abs=3)
    assert found.day[better] == pytest.approx(21, abs=3)
    assert (found.before[worse], found.after[worse]) == (
        pytest.approx(0.05, abs=0.03),
        pytest.approx(0.3, abs=0.05),
    )
    assert found.before[better] > found.after[better]
    assert effect_in_logits(0.05, 0.3, 600) == pytest.approx(2.09, abs=0.02)
    assert effect_in_logits(0.0, 1.0, 600) < 20
    scores = DriftScores(scan, summed(chunks).fleet)
    scan_fleet(chunks, scores)
    assert skill_of(scores.sums, "store_mean").is_proven


def test_a_group_drifts_whose_stores_do_not() -> None:
    """Each store changes too little to be sure; together they are."""
    rates = np.full((200, WEEKS, WEEK_HOURS), 0.10)
    rates[:60, 4:] = 0.15
    chunks = fleet(rates, seed=10)
    groups = np.where(np.arange(200) < 60, 0, 1)
    days = GroupDays(groups, drifting(chunks).found().subject)
    scan_fleet(chunks, days)
    found = find_changes(days.sums).found()
    assert found.subject.tolist() == [0]
    assert found.after[0] > found.before[0]


def test_one_bad_day_is_no_drift() -> None:
    rates = np.full((100, WEEKS, WEEK_HOURS), 0.03)
    rates[3, 5, 24:48] = 1.0
    assert drifting(fleet(rates, seed=11)).found().subject.tolist() == []


def test_hardly_any_drift_is_found_where_there_is_none() -> None:
    found, small = 0, []
    for seed in range(5):
        rates = np.random.default_rng(seed).beta(1, 9, (150, 1, 1))
        changes = drifting(fleet(rates, seed=seed, outage_hours=3))
        found += len(changes.found().subject)
        small.append(len(changes.subject) / changes.tested)
    assert found <= 1
    assert np.mean(small) < 0.06


def with_outage(chunks: Chunks, stores: range, hour: int, length: int) -> Chunks:
    """Return a fleet in which some stores are down from an hour of the history on."""

    def changed() -> Iterator[FleetChunk]:
        for chunk in chunks():
            minutes = chunk.history.minutes.copy()
            inside = [store - chunk.first for store in stores if chunk.first <= store < chunk.last]
            for store in inside:
                up = minutes[store, 0, hour : hour + length].copy()
                minutes[store, 1, hour : hour + length] += up
                minutes[store, 0, hour : hour + length] = 0
            yield replace(chunk, history=HourHistory(minutes, LAST_DAY))

    return changed


def find_causes(chunks: Chunks, groups: dict[str, np.ndarray]) -> list[CommonCause]:
    scan = CauseScan(groups)
    scan_fleet(chunks, scan)
    choice = CauseChoice(scan)
    scan_fleet(chunks, choice)
    return choice.causes()


def test_the_narrowest_label_explains_an_outage() -> None:
    """A franchise of 14 stores lies within a region of 100. Twelve of them go down at 14:00 UTC on the last Friday."""
    stores = np.arange(400)
    groups = {"region": stores // 100, "franchise": np.where(stores < 350, stores // 14, -1)}
    hour = 7 * WEEK_HOURS + 4 * 24 + 14
    chunks = with_outage(fleet(np.full((400, 1, 1), 0.03), seed=12), range(28, 40), hour, 5)
    (cause,) = find_causes(chunks, groups)
    assert (cause.name, cause.value) == ("franchise", 2)
    assert cause.hour <= hour < cause.hour + cause.width
    assert cause.stores <= 14
    assert cause.down >= 11
    assert cause.expected < 2
    model = fitted(chunks)
    scores = CauseScores(groups, [cause], model)
    scan_fleet(chunks, scores)
    assert scores.sums.hours.sum() == cause.stores


def test_an_outage_of_a_region_is_not_blamed_on_its_franchises() -> None:
    stores = np.arange(400)
    groups = {"region": stores // 100, "franchise": stores // 10}
    hour = 6 * WEEK_HOURS + 24 + 11
    chunks = with_outage(fleet(np.full((400, 1, 1), 0.03), seed=13), range(100, 190), hour, 5)
    assert {(cause.name, cause.value) for cause in find_causes(chunks, groups)} == {("region", 1)}


def test_an_outage_of_the_whole_fleet_has_no_label() -> None:
    groups = {"region": np.arange(400) // 100}
    chunks = with_outage(fleet(np.full((400, 1, 1), 0.03), seed=14), range(400), 6 * WEEK_HOURS + 40, 5)
    assert find_causes(chunks, groups) == []


def test_no_cause_is_found_where_there_is_none() -> None:
    stores = np.arange(300)
    groups = {"region": stores // 75, "franchise": stores // 10}
    for seed in range(5):
        rates = np.random.default_rng(seed).beta(1, 9, (300, 1, 1))
        assert find_causes(fleet(rates, seed=seed, outage_hours=3), groups) == []
