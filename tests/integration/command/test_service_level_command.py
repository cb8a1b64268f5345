"""`uptill service-levels`, the client's calls, a worker that is woken, and the metrics of the scheduler."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.cli.service_level_text import plain_number
from tests.fixtures.metrics import by_label, free_ports, on_port, scrape, value
from tests.fixtures.services import Services, wait_until
from uptill_client import ApiError, Poll, UptillClient

NEWEST = datetime(2024, 10, 4, 11, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _polls(client: UptillClient) -> None:
    polls = [NEWEST - timedelta(minutes=30 * n) for n in range(200)]
    for store_id, down in (("0042", ()), ("0043", (4,))):
        client.send_polls(Poll(store_id, at.day not in down or at.hour > 5, at) for at in polls)
    client.set_labels("0043", {"region": "north"})


def test_set_list_show_and_remove(services: Services, client: UptillClient) -> None:
    def run(*arguments: str) -> str:
        done = services.run("service-levels", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = run("set", "north", "--target", "0.9", "--label", "region=north", "--cap", "planned_maintenance=8")
    assert "caps       planned_maintenance=8h\n" in made
    assert "period     2024-10-01 to 2024-10-31, counted through 2024-10-02\n" in made
    assert "state      ok (1 ok)\n" in made
    run("set", "all", "--target", "0.97", "--profile", "unknown-as-up", "--period", "rolling_30_days")
    listed = run("list").splitlines()
    assert listed[0].split() == ["level", "target", "state", "achieved", "left", "burn", "stores"]
    assert [line.split()[:3] for line in listed[1:]] == [["all", "0.97", "ok"], ["north", "0.9", "ok"]]
    assert json.loads(run("list", "--json"))[0]["unknown"] == "up"
    shown = run("show", "all")
    assert [line.split()[:2] for line in shown.splitlines()[-2:]] == [["0042", "ok"], ["0043", "ok"]]
    assert "0043" not in run("show", "all", "--state", "missed")
    before = json.loads(run("show", "north", "--previous", "--json"))
    assert before["service_level"]["evaluation"]["last_day"] == "2024-09-30"
    assert len(before["stores"]) == 1
    run("remove", "all")
    assert [level.name for level in client.service_levels()] == ["north"]
    with pytest.raises(ApiError, match="does not exist"):
        client.get_service_level("all")
    assert [store.store_id for store in client.service_level_stores("north")] == ["0043"]
    refused = services.run("service-levels", "set", "x", "--target", "97")
    assert refused.returncode == 2
    for cap in ("holiday", "holiday=nan", "holiday=inf", "=8"):
        refused = services.run("service-levels", "set", "x", "--target", "0.9", "--cap", cap)
        assert (refused.returncode, "REASON=HOURS" in refused.stderr) == (2, True), cap
    refused = services.run("service-levels", "set", "x", "--target", "nan")
    assert (refused.returncode, "nan is not a number: use a share" in refused.stderr) == (2, True)


def test_minutes_are_written_without_exponents() -> None:
    assert [plain_number(each) for each in (-6066930.0, 278256.02, 0.0, 1000.5)] == [
        "-6,066,930",
        "278,256.02",
        "0",
        "1,000.5",
    ]
    assert plain_number(0.000001, 6) == "0.000001"


def test_the_scheduler_wakes_workers_and_serves_metrics(services: Services, client: UptillClient) -> None:
    level = client.set_service_level("all", 0.97)
    assert level.evaluation is None or level.evaluation.stores["ok"] == 2
    client.await_service_level("all")
    with free_ports("scheduler") as ports:
        services.scheduler(**on_port(ports["scheduler"]), UPTILL_SWEEP_S="0.1")
        wait_until(lambda: scrape(ports["scheduler"]), "the metrics")
        samples = scrape(ports["scheduler"])
        assert value(samples, "uptill_service_level_target", level="all") == 0.97
        assert value(samples, "uptill_service_level_stores", level="all", state="ok") == 2
        assert value(samples, "uptill_service_level_used_seconds", level="all") == 0
        assert by_label(samples, "uptill_service_level_missing_days", "level") == {"all": 0}
