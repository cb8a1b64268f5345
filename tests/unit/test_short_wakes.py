"""The twin of a message about a short batch is skipped while the message is worked on, and only then."""

from uuid import UUID

from services.worker.short_wakes import ShortWakes
from shared.contracts import ComputeBatch

WAKE = ComputeBatch(report_id=UUID(int=7), batch_no=0)
OTHER = ComputeBatch(report_id=UUID(int=8), batch_no=0)


def test_a_twin_is_skipped_while_its_message_is_worked_on() -> None:
    wakes = ShortWakes()
    wakes.begin(WAKE)
    assert not wakes.skips(OTHER)
    assert wakes.skips(WAKE)
    assert wakes.end(WAKE)


def test_a_twin_that_comes_before_or_after_is_not_skipped() -> None:
    wakes = ShortWakes()
    assert not wakes.skips(WAKE)
    wakes.begin(WAKE)
    assert not wakes.end(WAKE)
    assert not wakes.skips(WAKE)


def test_a_message_that_was_not_begun_has_no_twin() -> None:
    assert not ShortWakes().end(WAKE)
