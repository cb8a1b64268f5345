"""A key with long reports beside a key with a small one, on real processes with default settings: promise 27."""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg
import pytest

from services.ingest.run import ingest_paths
from services.sample import write_sample
from shared.keys import create_key
from tests.fixtures.services import Services, wait_until
from uptill_client import UptillClient

LONG_REPORTS, STORES = 18, 1500
MOST_TIMES = 5  # the promise; idle it takes a fifth of a second


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_small_report_is_not_held_up_by_another_keys_long_ones(
    env: Mapping[str, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    url = env["UPTILL_DATABASE_URL"]
    write_sample(tmp_path / "sample", stores=STORES, days=9)
    ingest_paths(url, [str(tmp_path / "sample")])
    scopes = ["reports:read", "reports:write"]
    with psycopg.connect(url) as conn:
        conn.execute('update store set labels = \'{"owner": "anna"}\' where store_key = 1')
        owner = create_key(conn, name="owner", scopes=scopes, store_labels={"owner": "anna"})
        greedy = create_key(conn, name="greedy", scopes=scopes)
    with Services(env, tmp_path) as services:
        services.api()
        services.scheduler()
        services.worker()
        api = env["UPTILL_API_URL"]
        with UptillClient(api, owner) as small, UptillClient(api, greedy) as large:
            seconds(small)  # the first one imports and connects
            idle = [seconds(small) for _ in range(5)]
            long = [
                large.create_report(force=True, windows=["P366D", "P365D"], policy="classic").id
                for _ in range(LONG_REPORTS)
            ]
            wait_until(lambda: large.get_report(long[0]).state != "queued", "the load")
            beside = [seconds(small) for _ in range(10)]
            open_still = sum(not large.get_report(report_id).is_final for report_id in long)
            for report_id in long:
                large.cancel_report(report_id) if not large.get_report(report_id).is_final else None
    record_property(
        "measured",
        f"idle {median(idle):.3f} s, beside {median(beside):.3f} s (worst {max(beside):.3f} s), {open_still} long reports open",
    )
    assert open_still > 0, "the load had ended before it was measured"
    assert median(beside) <= MOST_TIMES * median(idle)


def seconds(client: UptillClient) -> float:
    """From the trigger to the link."""
    began = perf_counter()
    status = client.finished(client.create_report(force=True).id)
    assert status.files
    return perf_counter() - began
