"""The fleet of the short kill tests."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.fixtures.services import Services
from tests.fixtures.small_report import BATCH_STORES, SmallFleet


@pytest.fixture(scope="session")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> SmallFleet:
    """Made once a process."""
    return SmallFleet.make(tmp_path_factory.mktemp("small-fleet"))


@pytest.fixture
def idle_services(env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path) -> Iterator[Services]:
    """Nothing started yet; leases of two seconds, and a scheduler that will be quick."""
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    quick = {"UPTILL_LEASE_S": "2", "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
    with Services({**env, **quick, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        yield services
