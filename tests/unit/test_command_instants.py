"""Instants as people type them: with an offset, or local times of one store with a zone; never guessed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from services.cli.instants import StoreTimes, parse_instant
from tests.unit.test_command_line import EVERY_COMMAND

INSTANTS = {"--from", "--to", "--as-of", "--since", "--expires", "--end", "--until"}
DATES = {"DATE", "YYYY-MM"}


@dataclass(frozen=True)
class Shop:
    timezone: str
    timezone_is_default: bool = False
    store_id: str = "s1"


def read(text: str, store: Shop | None = None) -> str:
    times = StoreTimes(None if store is None else lambda: store)
    found = times.parse(text)
    assert found
    return found.isoformat()


def refusal(capsys: pytest.CaptureFixture[str], text: str, store: Shop | None = None) -> str:
    with pytest.raises(typer.Exit) as end:
        read(text, store)
    assert end.value.exit_code == 2
    return " ".join(capsys.readouterr().err.split())


def test_an_offset_is_kept_for_one_store_and_for_several() -> None:
    for store in (None, Shop("Europe/Berlin")):
        assert read("2024-10-18T16:00-05:00", store) == "2024-10-18T16:00:00-05:00"
        assert read("2024-10-18T21:00Z", store) == "2024-10-18T21:00:00+00:00"


def test_without_an_offset_it_is_local_time_of_the_one_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert read("2026-10-27T10:00", Shop("America/New_York")) == "2026-10-27T10:00:00-04:00"
    assert read("2026-11-02", Shop("America/New_York")) == "2026-11-02T00:00:00-05:00"
    assert "local times of store s1: America/New_York" in capsys.readouterr().err


def test_it_is_refused_for_several_stores_and_without_a_zone(capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, "2026-10-27T10:00")
    assert "the time '2026-10-27T10:00' has no offset from UTC: write 2026-10-27T10:00Z" in told
    told = refusal(capsys, "2026-11-02", Shop("America/Chicago", timezone_is_default=True))
    assert "store 's1' has no time zone of its own: write 2026-11-02T00:00Z" in told
    with pytest.raises(typer.Exit):
        parse_instant("2026-11-02")


def test_a_local_time_that_occurs_twice_or_never_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    berlin = Shop("Europe/Berlin")
    told = refusal(capsys, "2026-10-25T02:30", berlin)
    assert "occurs twice in Europe/Berlin" in told
    assert "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00" in told
    told = refusal(capsys, "2026-03-29T02:30", berlin)
    assert "does not occur in Europe/Berlin" in told
    assert "write 2026-03-29T03:00+02:00" in told
    assert read("2026-10-25T02:30:00+01:00", berlin) == "2026-10-25T02:30:00+01:00"


def list_instants() -> Iterator[tuple[str, Any]]:
    for path, command in EVERY_COMMAND:
        for option in command.params:
            if INSTANTS & set(option.opts):
                yield path, option


def test_every_option_for_an_instant_says_that_it_has_an_offset() -> None:
    found = [(path, option) for path, option in list_instants() if option.metavar not in DATES]
    # A schedule has no instant: its windows end with the newest poll, or when it is due. Messages go to a channel.
    chosen = [(path, option) for path, option in found if path not in {"schedules create", "channels set"}]
    assert len(chosen) > 10
    for path, option in chosen:
        assert any(word in (option.help or "") for word in ("Z", "same form", "New ")), (path, option.opts)
