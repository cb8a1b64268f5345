"""The embedded object store writes to disk before it acknowledges, even after a restart with old data."""

from pathlib import Path

import pytest

from services.local.ports import free_ports
from services.local.processes import ProcessSet
from services.local.seaweedfs import PORT_NAMES, SeaweedFS
from tests.fixtures.local_stack import eventually


@pytest.mark.parametrize("durable", [True, False])
def test_its_rules_sync_writes_below_buckets(durable: bool, tmp_path: Path) -> None:
    ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    store = SeaweedFS(tmp_path, ports, "access", "secret-of-a-test", durable)
    for start in ("first", "second") if durable else ("only",):
        with ProcessSet(tmp_path / f"logs-{start}") as processes:
            child = store.start(processes)
            eventually(lambda: child.has_ended() or store.is_ready())  # noqa: B023 - called before the next start
            assert store.syncs_writes() == durable, child.obituary() if child.has_ended() else start
