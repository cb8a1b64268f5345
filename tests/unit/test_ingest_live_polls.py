"""The instants of a live call mean the same, whether they are decoded together or parsed one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.http.live_polls import LivePolls, PollFault, check_polls
from services.ingest.parse.instants import parse_instant

_USUAL = "2024-10-14T18:00:00Z"
_INSTANTS = st.sampled_from(
    [
        _USUAL,
        "2024-10-14 18:00:00.123456 UTC",
        "2024-10-14T18:00:00.5+00:00",
        " 2024-10-14T18:00:00Z",
        "2024-10-14T18:00Z",
        "2024-10-14T20:00:00+02:00",
        "2024-10-14T18:00:00",
        "2024-02-30T18:00:00Z",
        "1999-10-14T18:00:00Z",
        "2024-10-14T18:00:00\nZ",
        "2024-10-14T18:00:00\u00a0Z",
        "",
    ]
)


@given(st.lists(_INSTANTS, max_size=40))
def test_many_instants_mean_what_each_means_alone(instants: list[str]) -> None:
    found = check_polls(["a"] * len(instants), ["active"] * len(instants), instants)
    alone = [parse_instant(one) for one in instants]
    if isinstance(found, LivePolls):
        assert found.at_us.tolist() == alone
    else:
        assert [fault.index for fault in found] == [i for i, one in enumerate(alone) if isinstance(one, str)]


@pytest.mark.parametrize("polls", [1, 16, 500])
def test_a_wrong_instant_is_named_by_its_index(polls: int) -> None:
    found = check_polls(["a"] * polls, ["active"] * polls, [_USUAL] * (polls - 1) + ["yesterday"])
    assert isinstance(found, list)
    assert [(type(fault), fault.index, fault.field) for fault in found] == [
        (PollFault, polls - 1, "observed_at")
    ]
