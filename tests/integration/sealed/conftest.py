"""Weeks of tests are few and recent, so each of them may be sealed."""

import pytest

from services.worker.seal import seal_claimed
from shared.sealed import jobs
from tests.fixtures.sealing import NO_MARGIN


@pytest.fixture(autouse=True)
def _no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MARGIN", NO_MARGIN)
    monkeypatch.setattr(seal_claimed, "MARGIN", NO_MARGIN)
