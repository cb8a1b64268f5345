"""`uptill series` and the client's call against the real services."""

import csv
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.fixtures.services import Services
from uptill_client import ApiError, Poll, UptillClient

NOON = datetime(2024, 10, 31, 12, tzinfo=UTC)
POLLS = [
    Poll(store_id, (n + len(store_id)) % 4 > 1, NOON - timedelta(minutes=55 * n))
    for store_id in ("0042", "a/b")
    for n in range(400)
]
WEEK = date(2024, 10, 21), date(2024, 10, 27)


@pytest.fixture(autouse=True)
def _facts(client: UptillClient) -> None:
    client.send_polls(POLLS)
    client.set_labels("a/b", {"region": "=north"})
    job = client.build_facts(date(2024, 10, 14), date(2024, 10, 27))
    *_, ended = client.follow_facts(job.id, every_s=0.1)
    assert ended.state == "succeeded"


def test_the_call_of_the_client(client: UptillClient) -> None:
    found = client.series("previous_week", by="week", group="label:region", compare="previous")
    assert found == client.series("week_of:2024-W43", by="week", group="label:region", compare="previous")
    assert [(row.group, row.period) for row in found.rows] == [("=north", "2024-W43"), (None, "2024-W43")]
    (north, _) = found.totals
    assert (north.previous is not None, north.change is not None) == (True, True)
    assert (found.as_of, found.first_day, found.last_day, found.days_missing) == (NOON, *WEEK, 0)
    (row,) = client.series(WEEK, labels={"region": "=north"}).totals
    assert row == client.series(WEEK, store_ids=["a/b"]).totals[0]
    assert (row.open_us, row.group, row.previous) == (north.open_us, None, None)
    with pytest.raises(ApiError, match="no whole dates"):
        client.series("PT6H")


def test_the_command(services: Services, client: UptillClient) -> None:
    def run(*arguments: str) -> str:
        done = services.run("series", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    grouped = ("--window", "previous_week", "--group", "label:region")
    shown = run(*grouped, "--by", "week")
    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["group", "period"],
        ["=north", "2024-W43"],
        ["-", "2024-W43"],
    ]
    (expected, other) = client.series("previous_week", group="label:region").totals
    assert expected.availability is not None
    total = run(*grouped, "--total", "--compare").splitlines()[1].split()
    assert total[:4] == ["=north", "total", f"{int(expected.availability * 10_000) / 100:.2f}", "%"]
    rows = list(csv.DictReader(run(*grouped, "--total", "--compare", "--csv").splitlines()))
    assert [row["group"] for row in rows] == ["'=north", ""]
    assert [float(row["up_s"]) for row in rows] == [expected.up_us / 1e6, other.up_us / 1e6]
    assert rows[0]["previous_first_day"] == "2024-10-14"
    in_json = json.loads(run("--from", "2024-10-21", "--to", "2024-10-22", "--store", "a/b", "--json"))
    assert [row["period"] for row in in_json["rows"]] == ["2024-10-21", "2024-10-22"]


def test_missing_days_are_named(services: Services) -> None:
    done = services.run("series", "--from", "2024-10-27", "--to", "2024-10-28")
    said = " ".join(done.stderr.split())
    assert "2 of 4 days of stores are not in these sums" in said
    assert "uptill facts build --from 2024-10-27 --to 2024-10-28" in said
    for arguments in ((), ("--from", "2024-10-27"), ("--window", "previous_day", "--to", "2024-10-27")):
        refused = services.run("series", *arguments)
        assert (refused.returncode, "give either --window" in " ".join(refused.stderr.split())) == (2, True)
