"""The command line itself: what is common to all subcommands."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.cli.commands import COMMANDS
from services.cli.connection import _exit_code
from services.cli.lazy import load
from services.ingest.show import print_results
from shared.errors import (
    BadInputFile,
    ConfigurationError,
    DatabaseUnavailable,
    ForbiddenError,
    KeyNotFound,
    UptillError,
)
from shared.exit_codes import ExitCode, exit_code_of
from shared.reports.formats import CONTENT_TYPES, FILE_KINDS
from shared.row_reasons import ROW_REASONS
from uptill_client import FILES, FORMATS, ApiError, Interval, NotReachable


def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield each command of a group, also of groups within it."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from walk(f"{path} {name}", child)


EVERY_COMMAND = [
    found for name, subcommand in COMMANDS.items() for found in walk(name, load(name, subcommand))
]


def uptill(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={**inherited, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_summary_is_how_the_help_of_a_command_begins(name: str) -> None:
    assert load(name, COMMANDS[name]).help.startswith(COMMANDS[name].summary)


def test_the_help_of_a_terminal_shows_every_summary_whole() -> None:
    command = [sys.executable, "-m", "services.cli", "--help"]
    shown = subprocess.run(
        command, env={**os.environ, "COLUMNS": "80"}, check=True, capture_output=True, text=True
    ).stdout
    assert "..." not in shown.partition("Commands:")[2]
    assert all(one.summary in shown for one in COMMANDS.values())


def test_every_list_and_show_prints_json_on_request() -> None:
    shown = {
        path
        for path, command in EVERY_COMMAND
        if path.rpartition(" ")[2] in ("list", "show", "timeline", "deliveries", "doctor")
    }
    with_json = {
        path for path, command in EVERY_COMMAND for option in command.params if "--json" in option.opts
    }
    assert len(shown) == 29
    assert shown <= with_json


def test_the_formats_and_files_that_the_client_knows_are_those_of_the_service() -> None:
    assert tuple(CONTENT_TYPES) == FORMATS
    assert FILE_KINDS == FILES


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatabaseUnavailable(""), 3),
        (ConfigurationError(""), 2),
        (ForbiddenError(""), 4),
        (KeyNotFound(""), 1),
        (BadInputFile(next(iter(ROW_REASONS)), ""), 1),
    ],
)
def test_the_exit_code_of_our_own_errors(error: UptillError, code: int) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (403, 4), (404, 1), (409, 1), (422, 2), (429, 3), (500, 1), (503, 3), (None, 1)],
)
def test_the_exit_code_of_a_refusal(status: int | None, code: int) -> None:
    assert _exit_code(ApiError("", status=status)) == code


def test_an_api_that_does_not_answer() -> None:
    assert _exit_code(NotReachable("")) is ExitCode.NOT_REACHABLE
    away: Mapping[str, str] = {"UPTILL_API_URL": "http://127.0.0.1:1", "UPTILL_API_KEY": "upt_x"}
    refused = uptill("reports", "list", **away)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "no answer from http://127.0.0.1:1" in refused.stderr


def test_wrong_use_is_code_2(tmp_path: Path) -> None:
    refused = uptill("-q", "-v", "reports", "list")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "-q and -v cannot be used together" in refused.stderr
    missing = uptill("reports", "list", UPTILL_DATA=str(tmp_path))
    assert (missing.returncode, missing.stdout) == (2, "")


def test_shells_complete_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        return uptill(
            _UPTILL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" "))
        ).stdout.split()

    assert completed("uptill rep") == ["report", "reports"]
    assert completed("uptill reports list --js") == ["--json"]


def test_json_of_a_list_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    from services.cli.console import print_json  # noqa: PLC0415  its console must be made under capsys

    print_json([Interval(0, "10:00", "ü")])
    assert json.loads(capsys.readouterr().out) == [
        {"day_of_week": 0, "start_time_local": "10:00", "end_time_local": "ü"}
    ]


@pytest.mark.parametrize(
    ("first", "last", "printed"),
    [
        ("2024-10-14T19:30:05Z", "2024-10-14T19:30:59Z", "2024-10-14 19:30"),
        ("2024-10-14T19:30:00Z", "2024-10-14T20:00:00Z", "2024-10-14 19:30 to 20:00"),
        ("2024-10-14T19:30:00Z", "2024-10-15T03:00:00Z", "2024-10-14 19:30 to 2024-10-15 03:00"),
        ("2024-10-14T23:30:00-02:00", "2024-10-15T03:00:00Z", "2024-10-15 01:30 to 03:00"),
    ],
)
def test_what_two_instants_share_is_printed_once(first: str, last: str, printed: str) -> None:
    from services.cli.console import minutes_between  # noqa: PLC0415  as above

    assert minutes_between(datetime.fromisoformat(first), datetime.fromisoformat(last)) == printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("archive", "--before"),
        ("series", "--from"),
        ("facts", "build", "--from"),
        ("stores", "picture", "a", "--week"),
    ],
)
def test_a_date_that_is_none_says_how_to_write_one(arguments: tuple[str, ...]) -> None:
    refused = uptill(*arguments, "tomorrow")
    assert refused.returncode == ExitCode.WRONG_USE
    assert f"'{arguments[-1]}': 'tomorrow' is not a date: write it as 2024-12-25\n" in refused.stderr


def test_a_dry_run_that_failed_promises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(Console(), Console(stderr=True), [], dry_run=True)
    assert capsys.readouterr() == ("", "")
