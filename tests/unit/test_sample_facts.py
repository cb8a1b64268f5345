"""A sample of moderate size is as awkward as real data, in the measured proportions; read back from its text alone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from services.sample import write_sample
from services.sample.fleet import DOCUMENTED

STORES, DAYS = 800, 20
END = datetime(2024, 10, 15, tzinfo=UTC)
LAST_WEEK = END - timedelta(days=7)


@dataclass(frozen=True)
class Sample:
    """The three files, and the polls (each store and instant once) with what the other two say about them."""

    status: pl.DataFrame
    hours: pl.DataFrame
    zones: pl.DataFrame
    polls: pl.DataFrame


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory, stores=STORES, days=DAYS)
    status, hours, zones = (
        pl.read_csv(directory / f"{name}.csv") for name in ("store_status", "menu_hours", "timezones")
    )
    instant = (
        pl.col("timestamp_utc")
        .str.strip_suffix(" UTC")
        .str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
    )
    status = status.with_columns(at=instant.dt.replace_time_zone("UTC"), active=pl.col("status") == "active")
    polls = status.unique(["store_id", "at"], keep="first").sort("store_id", "at")
    return Sample(status, hours, zones, _with_open(polls, hours, zones))


def _with_open(polls: pl.DataFrame, hours: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """Add whether the hours file says that the store is open, by text comparison of local clocks."""
    zoned = polls.join(zones, on="store_id", how="left").with_columns(
        pl.col("timezone_str").fill_null("America/Chicago")
    )
    local = pl.concat(
        part.with_columns(local=pl.col("at").dt.convert_time_zone(str(zone)).dt.replace_time_zone(None))
        for (zone,), part in zoned.group_by("timezone_str")
    ).with_columns(
        dayOfWeek=pl.col("local").dt.weekday().cast(pl.Int64) - 1, clock=pl.col("local").dt.to_string("%T")
    )
    within = (pl.col("start_time_local") <= pl.col("clock")) & (
        (pl.col("clock") < pl.col("end_time_local")) | pl.col("end_time_local").str.starts_with("23:59")
    )
    opened = (
        local.join(hours, on=["store_id", "dayOfWeek"]).filter(within).select("store_id", "at", open=True)
    )
    without_hours = ~pl.col("store_id").is_in(hours["store_id"].unique().implode())
    return (
        local.join(opened, on=["store_id", "at"], how="left")
        .with_columns(open=pl.col("open").fill_null(without_hours))
        .sort("store_id", "at")
        .with_columns(gap_s=pl.col("at").diff().over("store_id").dt.total_seconds(fractional=True))
    )


def share(flags: pl.Series) -> float:
    return float(flags.sum()) / len(flags)


def test_the_files_are_text_as_real_ones_are(sample: Sample) -> None:
    uuid = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    for file in (sample.status, sample.hours, sample.zones):
        assert (file["store_id"].str.contains(uuid) | file["store_id"].is_in(DOCUMENTED)).all()
        assert set(DOCUMENTED) <= set(file["store_id"])
    assert set(sample.status["status"]) == {"active", "inactive"}
    stamp = r"^2024-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{0,5}[1-9])? UTC$"
    assert sample.status["timestamp_utc"].str.contains(stamp).all()
    assert set(sample.hours["dayOfWeek"]) == set(range(7))
    for column in ("start_time_local", "end_time_local"):
        assert sample.hours[column].str.contains(r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$").all()


def test_zeros_at_the_end_of_a_fraction_are_trimmed(sample: Sample) -> None:
    length = sample.status["timestamp_utc"].str.len_chars()
    assert share(length == 30) == pytest.approx(0.9, abs=0.01)
    assert share(length == 29) == pytest.approx(0.09, abs=0.01)
    assert (length == 28).sum() > 0
    assert 0 < (length == 23).sum() < 50  # whole seconds


def test_all_polls_lie_in_the_period_and_reach_its_last_hour(sample: Sample) -> None:
    at = sample.status["at"]
    assert at.is_between(END - timedelta(days=DAYS), END, closed="left").all()
    assert at.filter(at >= END - timedelta(hours=1)).len() > STORES / 2


def test_stores_are_missing_from_each_file(sample: Sample) -> None:
    polled, hours, zones = (set(file["store_id"]) for file in (sample.status, sample.hours, sample.zones))
    assert len(polled) == STORES
    assert len(polled - hours) == round(STORES * 54 / 3678)
    assert len(polled - zones) == 1
    assert len(zones - polled) == round(STORES * 882 / 3678)
    assert len(hours - polled) == round(STORES * 842 / 3678)


def test_zones_are_in_the_real_proportions(sample: Sample) -> None:
    share_of = dict(sample.zones["timezone_str"].value_counts(normalize=True).iter_rows())
    assert share_of["America/Chicago"] == pytest.approx(3003 / 4559, abs=0.005)
    assert share_of["America/New_York"] == pytest.approx(1119 / 4559, abs=0.005)
    assert share_of["America/Los_Angeles"] == pytest.approx(209 / 4559, abs=0.005)
    assert sample.zones["store_id"].n_unique() == len(sample.zones)


def test_hours_have_seams_split_days_and_missing_weekdays(sample: Sample) -> None:
    hours = sample.hours
    stores = hours["store_id"].n_unique()
    rows_a_day = hours.group_by("store_id", "dayOfWeek").len()
    weekdays = rows_a_day.group_by("store_id").len()
    split = rows_a_day.filter(pl.col("len") > 1)["store_id"].n_unique()
    tails = hours.filter(start_time_local="00:00:00").with_columns((pl.col("dayOfWeek") - 1) % 7)
    seams = hours.filter(pl.col("end_time_local").str.starts_with("23:59")).join(
        tails, on=["store_id", "dayOfWeek"]
    )

    assert share(hours["end_time_local"] == "23:59:59") == pytest.approx(0.191, abs=0.02)
    assert share(hours["end_time_local"] == "23:59:00") == pytest.approx(0.068, abs=0.02)
    assert split / stores == pytest.approx(0.238, abs=0.03)
    assert share(weekdays["len"] < 7) == pytest.approx(115 / 4466, abs=0.01)
    assert seams["store_id"].n_unique() / stores == pytest.approx(1048 / 4466, abs=0.04)
    assert rows_a_day["len"].max() in {3, 4}
    assert (hours["start_time_local"] < hours["end_time_local"]).all()


def test_a_week_has_the_measured_numbers_of_polls(sample: Sample) -> None:
    eight_days = (
        sample.polls.filter(pl.col("at") >= END - timedelta(days=8)).group_by("store_id").len()["len"]
    )
    silent = STORES - sample.polls.filter(pl.col("at") >= LAST_WEEK)["store_id"].n_unique()
    assert silent == round(STORES * 893 / 3678)
    assert (eight_days == 62).sum() / len(eight_days) == pytest.approx(0.67, abs=0.05)
    assert (eight_days > 170).sum() / len(eight_days) == pytest.approx(0.2, abs=0.04)
    assert eight_days.max() in range(184, 188)


def test_sweeps_are_one_to_three_hours_apart_and_some_polls_seconds(sample: Sample) -> None:
    gap_s = sample.polls["gap_s"].drop_nulls()
    between_sweeps = gap_s.filter(gap_s > 1800)
    assert share(between_sweeps.is_between(0.9 * 3600, 3.1 * 3600)) > 0.6
    assert (between_sweeps > 6 * 3600).any()
    assert share(gap_s < 400) == pytest.approx(0.28, abs=0.05)
    assert (gap_s < 10).sum() > 0


def test_a_closed_store_is_inactive_and_an_open_one_mostly_active(sample: Sample) -> None:
    active = dict(sample.polls.group_by("open").agg(pl.col("active").mean()).iter_rows())
    assert active[False] < 0.03
    assert active[True] == pytest.approx(0.72, abs=0.05)
    assert share(sample.polls["active"]) == pytest.approx(0.42, abs=0.03)


def test_some_stores_are_dead_all_week(sample: Sample) -> None:
    week = (
        sample.polls.filter("open", pl.col("at") >= LAST_WEEK)
        .group_by("store_id")
        .agg(pl.col("active").any())
    )
    assert share(~week["active"]) == pytest.approx(0.152, abs=0.03)


def test_downtime_comes_in_bursts_over_several_polls(sample: Sample) -> None:
    alive = sample.polls.filter(pl.col("active").any().over("store_id"))
    pairs = alive.with_columns(
        before=pl.col("active").shift().over("store_id"), opened=pl.col("open").shift().over("store_id")
    ).filter("open", "opened", pl.col("gap_s").is_between(1800, 2.2 * 3600))
    down_after_down = share(~pairs.filter(~pl.col("before"))["active"])
    assert down_after_down > 0.5
    assert down_after_down > 2 * share(~pairs["active"])


def test_polls_within_minutes_contradict_each_other_now_and_then(sample: Sample) -> None:
    pairs = sample.polls.with_columns(changed=pl.col("active") != pl.col("active").shift().over("store_id"))
    assert share(pairs.filter(pl.col("gap_s") < 400)["changed"]) == pytest.approx(0.04, abs=0.015)


def test_a_few_rows_come_twice_and_very_few_are_corrected(sample: Sample) -> None:
    rows = len(sample.status)
    distinct = sample.status.unique(["store_id", "at", "active"])
    instants = sample.status.unique(["store_id", "at"])
    assert 0 < rows - len(distinct) < rows / 2_000
    assert 0 < len(distinct) - len(instants) < rows / 8_000


def test_rows_come_in_shuffled_blocks_of_nearly_ordered_time(sample: Sample) -> None:
    step_s = sample.status["at"].diff().dt.total_seconds(fractional=True).drop_nulls()
    back = (step_s < -60).sum()
    assert len(sample.status) / 20_000 < back < len(sample.status) / 1_000
    assert 0.01 < share(step_s.is_between(-3, 0, closed="none")) < 0.1
