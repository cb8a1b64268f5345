"""How many streams of changes one process and one key may have, and which of them can go on after an event."""

from contextlib import ExitStack

import pytest

from services.api.use_cases.live_feed import MOST_LISTENERS, MOST_OF_KEY, LiveFeed, LivePositions
from shared.db.connect import make_async_pool
from shared.errors import Overloaded, RateLimited


def test_listeners_are_bounded_by_key_and_by_process() -> None:
    feed = LiveFeed(
        make_async_pool("postgresql://nowhere", application_name="test", max_size=1, statement_timeout_s=1)
    )
    with ExitStack() as open_streams:
        for _ in range(MOST_OF_KEY):
            open_streams.enter_context(feed.listen("one"))
        with pytest.raises(RateLimited, match="close one"), feed.listen("one"):
            pass
        for number in range(MOST_LISTENERS - MOST_OF_KEY):
            open_streams.enter_context(feed.listen(f"other-{number}"))
        with pytest.raises(Overloaded), feed.listen("another"):
            pass
    with feed.listen("one"), feed.listen("another"):
        pass


def test_a_listener_goes_on_only_if_no_change_is_gone() -> None:
    positions = LivePositions(oldest=10, newest=20)
    assert [positions.can_follow(after) for after in (8, 9, 15, 20, 21)] == [False, True, True, True, False]
    assert LivePositions(0, 0).can_follow(0)
    assert not LivePositions(0, 0).can_follow(5)
