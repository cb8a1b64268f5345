"""`uptill reports revise` and `diff`, and the client's calls, against the real services."""

import json
import re
from datetime import UTC, datetime, timedelta

from tests.fixtures.services import Services
from uptill_client import Poll, UptillClient

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)


def test_revise_and_diff(services: Services, client: UptillClient) -> None:
    client.send_polls(Poll("0042", True, NOW - timedelta(minutes=55 * n)) for n in range(50))
    first = client.finished(client.create_report(as_of=NOW).id)

    def run(*arguments: str) -> str:
        done = services.run("reports", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # Without a change of data there is nothing to make again.
    assert run("revise", first.id).strip() == first.id
    client.send_polls([Poll("0042", False, NOW - timedelta(minutes=5))])
    made = json.loads(run("revise", first.id, "--json"))
    assert (made["revision"], made["revision_of"], made["pinned_cut"]) == (2, first.id, None)
    second = client.finished(made["id"])
    again = client.finished(client.revise_report(second.id, cut="original", force=True).id)
    assert (again.revision, again.pinned_cut) == (3, second.data_cut)
    assert list(client.diff_reports(second.id, again.id)) == []
    assert f"3 of {first.id}" in run("show", again.id)
    (store,) = client.diff_reports(first.id, second.id)
    assert [(cause.kind, cause.polls) for cause in store.causes] == [("late_polls", 1)]
    table = run("diff", first.id, second.id)
    assert re.search(r"^0042 +downtime_last_hour +minutes +[\d.]+ +[\d.]+$", table, re.MULTILINE)
    assert re.search(r"^0042 +uptime_last_day +hours +", table, re.MULTILINE)
    assert re.search(r"^0042 +late_polls +1 +live polls +- +20\d\d-", table, re.MULTILINE)
    assert json.loads(run("diff", first.id, second.id, "--json"))[0]["store_id"] == "0042"
    assert run("diff", first.id, second.id, "--csv").startswith(
        "store_id,presence,column,before,after,causes\n"
    )
    refused = services.run("reports", "diff", first.id, second.id, "--csv", "--json")
    assert refused.returncode == 2
    assert json.loads(run("diff", first.id, first.id, "--json")) == []
    for more in ([], ["--csv"]):
        equal = services.run("reports", "diff", first.id, first.id, *more)
        assert (equal.returncode, "no numbers differ" in equal.stderr) == (0, True)
        assert equal.stdout.count("\n") == len(more)


def test_counts_are_whole_numbers_and_causes_are_printed_once(
    services: Services, client: UptillClient
) -> None:
    client.send_polls(Poll("0042", True, NOW - timedelta(minutes=55 * n)) for n in range(50))
    first = client.finished(client.create_report(as_of=NOW, detail=True).id)
    client.send_polls([Poll("0042", False, NOW - timedelta(minutes=5))])
    client.send_polls([Poll("0042", False, NOW - timedelta(minutes=8))])
    second = client.finished(client.revise_report(first.id).id)
    done = services.run("reports", "diff", first.id, second.id)
    assert done.returncode == 0, done.stderr
    values, _, causes = done.stdout.partition("\n\n")
    (row,) = [line.split() for line in values.splitlines() if "polls_last_week" in line]
    assert row == ["0042", "polls_last_week", "-", "50", "52"]
    assert "Mean time to repair: downtime of the ended outages, divided by their number." in done.stderr
    (line,) = causes.splitlines()[1:]
    assert line.split()[:4] == ["0042", "late_polls", "(2", "changes)"]
