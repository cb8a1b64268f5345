"""What the command prints of a load."""

import io

from rich.console import Console

from services.ingest.import_result import ImportResult
from services.ingest.parse.reasons import Reject
from services.ingest.show import print_results


def test_bytes_that_are_not_utf8_are_shown_with_one_backslash() -> None:
    reject = Reject(2, 20, "encoding", b"a,activ\xe9\x1b[2J")
    told = show(ImportResult("polls.csv", "succeeded", rejected=1, first_rejects=[reject]))
    assert told.splitlines()[-1].endswith(r": 'a,activ\xe9\x1b[2J'")


def test_labels_are_columns_of_the_file() -> None:
    told = show(ImportResult("stores.csv", "succeeded", quality={"labels": ["region", "owner"]}))
    assert "region, owner (columns that became labels)" in told


def test_a_reason_is_explained_once() -> None:
    rejects = [
        Reject(line, 20 * line, reason, b"a,x") for line, reason in enumerate(["time", "day", "time"], 2)
    ]
    told = show(ImportResult("hours.csv", "succeeded", rejected=3, first_rejects=rejects))
    assert told.count("the time of day does not have a form") == 1
    assert told.count("the day of the week is neither") == 1
    assert "hours.csv line 4: time: 'a,x'" in told


def show(result: ImportResult) -> str:
    printed = io.StringIO()
    console = Console(file=printed, highlight=False, emoji=False)
    print_results(console, console, [result])
    return printed.getvalue()
