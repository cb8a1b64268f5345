"""What is kept for the page: whom one computation serves, and what makes it happen again."""

import asyncio

import pytest

from services.api.use_cases import remembered
from services.api.use_cases.remembered import DataVersion, Remembered

REST_S = 60.0
FIRST = DataVersion("facts 1", "ledger 1")


class Computer:
    """Counts how often it computes."""

    def __init__(self) -> None:
        self.times = 0
        self.fault: Exception | None = None

    async def __call__(self) -> int:
        self.times += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        return self.times


@pytest.fixture
def compute() -> Computer:
    return Computer()


def read(kept: Remembered[int], compute: Computer, *versions: DataVersion, name: str = "x") -> None:
    async def read_all() -> None:
        for version in versions:
            await kept.read(name, version, compute)

    asyncio.run(read_all())


def test_the_same_data_is_computed_once_for_all_who_wait(compute: Computer) -> None:
    kept = Remembered[int](REST_S)

    async def read_together() -> None:
        await asyncio.gather(*(kept.read("x", FIRST, compute) for _ in range(5)))

    asyncio.run(read_together())
    assert compute.times == 1
    read(kept, compute, FIRST)
    assert compute.times == 1
    read(kept, compute, FIRST, name="y")
    assert compute.times == 2


def test_changed_facts_count_at_once_and_other_changes_within_a_minute(compute: Computer) -> None:
    now_s = [0.0]
    kept = Remembered[int](REST_S, lambda: now_s[0])
    read(kept, compute, FIRST, DataVersion("facts 1", "ledger 2"))
    assert compute.times == 1
    now_s[0] = REST_S
    read(kept, compute, DataVersion("facts 1", "ledger 2"))
    assert compute.times == 2
    read(kept, compute, DataVersion("facts 2", "ledger 2"))
    assert compute.times == 3
    now_s[0] += remembered.LONGEST_S
    read(kept, compute, DataVersion("facts 2", "ledger 2"))
    assert compute.times == 4


def test_a_failure_is_not_kept(compute: Computer) -> None:
    kept = Remembered[int](REST_S)
    compute.fault = ValueError("no")
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            read(kept, compute, FIRST)
    compute.fault = None
    read(kept, compute, FIRST)
    assert compute.times == 3


def test_few_are_kept(compute: Computer) -> None:
    kept = Remembered[int](REST_S)
    for number in range(remembered.MOST_KEPT + 1):
        read(kept, compute, FIRST, name=str(number))
    read(kept, compute, FIRST, name="1")
    assert compute.times == remembered.MOST_KEPT + 1
    read(kept, compute, FIRST, name="0")
    assert compute.times == remembered.MOST_KEPT + 2
