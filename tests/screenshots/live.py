"""A stack whose data ends now, so that there are states and incidents to show. Its pictures differ each time."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from services.local.settings_file import read_settings
from services.sample import write_sample
from tests.fixtures.services import wait_until

_STORES, _DAYS = 400, 60
_REGIONS = "{north,east,south,west}"
_ADD_LABELS = "update store set labels = jsonb_build_object('region', (%s::text[])[1 + store_key %% 4])"
_STEPS: Sequence[Sequence[str]] = (
    ("ingest", "{sample}"),
    ("alerts", "rules", "set", "down", "store_down", "--hold-open", "30"),
    (
        "alerts",
        "rules",
        "set",
        "region",
        "group_down",
        "--parameter",
        "by=region",
        "--parameter",
        "share=0.5",
    ),
    ("alerts", "rules", "set", "feed", "feed_silent"),
    ("insights", "run"),
)
_INCIDENTS = "select count(*) >= 5 from incident where kind = 'store_down'"


def prepare_live(data: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Load a sample that ends now, set rules, and wait for their incidents."""
    sample = folder / "live"
    write_sample(sample, stores=_STORES, days=_DAYS, end=datetime.now(UTC).replace(microsecond=0))
    for step in _STEPS:
        arguments = [each.format(sample=sample) for each in step]
        subprocess.run([sys.executable, "-m", "services.cli", *arguments], env=dict(environment), check=True)
    with psycopg.connect(read_settings(data / "env")["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        conn.execute(_ADD_LABELS, [_REGIONS])
        wait_until(lambda: conn.execute(_INCIDENTS).fetchone() == (True,), "incidents", within_s=300)
