"""From a committed poll to the message that a receiver has, on the real services: with notices, and with sweeps alone."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from bench.figures import Figure, Target
from bench.own_database import load_recent_sample, make_database
from bench.stand import Stand
from services.local.ports import free_ports
from shared.keys import create_key
from tests.fixtures.logins import make_test_logins
from tests.fixtures.receiver import Receiver, receiver
from tests.fixtures.services import Services, answers, wait_until
from uptill_client import Poll, UptillClient

_DATABASE = "uptill_bench_alerts"
_DAYS = 4
_INGEST = "services.ingest.http.main:create_app"
_RULE = {"inactive_polls": 1, "guard_after_opening_minutes": 0, "guard_before_closing_minutes": 0}
_PAIRS = 10  # of an outage and its end, in each round
_PERIOD_S = 10
_WITH_NOTICES_S = 5
_LAG_S = 5  # on top of the period, without notices


@dataclass(frozen=True)
class _Probe:
    """A client, a receiver, and a store that is open around the clock and nothing else changes."""

    client: UptillClient
    hook: Receiver

    def send(self, *, active: bool) -> float:
        """Send a poll. Return the seconds between the answer (the poll is committed) and the message."""
        before = len(self.hook.received)
        self.client.send_polls([Poll("probe", active=active, observed_at=datetime.now(UTC))])
        committed_s = time.monotonic()
        wait_until(lambda: len(self.hook.received) > before, "a message", within_s=120)
        return time.monotonic() - committed_s


def run_alerts(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure the notice of `UPTILL_NOW_EVERY_S=60`, and without notices that of a period of ten seconds."""
    with _prepared(stand, "60") as (probe, _):
        soon = _measure(probe, rounds)
    with _prepared(stand, str(_PERIOD_S)) as (probe, conn):
        conn.execute("alter table ledger_head disable trigger tell_data_changed")
        late = _measure(probe, rounds)
    stores = f"{stand.fleet.stores:,} stores"
    return [
        *_figures(f"poll to message, {stores}", soon, _WITH_NOTICES_S),
        *_figures(f"without notices, a period of {_PERIOD_S} s, {stores}", late, _PERIOD_S + _LAG_S),
    ]


def _figures(what: str, waits_s: Sequence[float], bound_s: float) -> list[Figure]:
    ordered = sorted(waits_s)
    number = len(ordered)
    return [
        Figure(f"{what}, median of {number}", "s", [ordered[number // 2]]),
        Figure(
            f"{what}, p95 of {number}",
            "s",
            [ordered[-(-number * 95 // 100) - 1]],
            target=Target("<=", bound_s),
        ),
    ]


def _measure(probe: _Probe, rounds: int) -> list[float]:
    """Alternate outages and their ends. The first pair, which waits for the first refresh, does not count."""
    waits_s = [probe.send(active=active) for _ in range(1 + _PAIRS * rounds) for active in (False, True)]
    return waits_s[2:]


@contextmanager
def _prepared(stand: Stand, every_s: str) -> Iterator[tuple[_Probe, psycopg.Connection]]:
    url = make_database(stand, _DATABASE)
    load_recent_sample(url, stand.fleet.stores, _DAYS)
    make_test_logins(url)
    api, ingest = free_ports(2)
    with psycopg.connect(url, autocommit=True) as conn:
        env = {
            **stand.env,
            "UPTILL_DATABASE_URL": url,
            "UPTILL_API_KEY": create_key(conn, name="bench", scopes=["admin"]),
            "UPTILL_API_URL": f"http://127.0.0.1:{api}",
            "UPTILL_INGEST_URL": f"http://127.0.0.1:{ingest}",
            "UPTILL_NOW_EVERY_S": every_s,
            "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true",
            "UPTILL_SPOOL_DIR": str(stand.folder / "spool"),
        }
        with (
            Services(env, stand.folder / "logs", warm=False) as services,
            receiver() as hook,
            UptillClient(
                env["UPTILL_API_URL"], env["UPTILL_API_KEY"], ingest_url=env["UPTILL_INGEST_URL"]
            ) as client,
        ):
            services.api()
            services.start("uvicorn", "--factory", _INGEST, f"--port={ingest}")
            wait_until(lambda: answers(f"{env['UPTILL_INGEST_URL']}/readyz"), "the ingest service")
            services.worker()
            services.scheduler()
            _set_up(client, hook)
            yield _Probe(client, hook), conn


def _set_up(client: UptillClient, hook: Receiver) -> None:
    client.send_polls([Poll("probe", active=True, observed_at=datetime.now(UTC) - timedelta(minutes=1))])
    client.set_labels("probe", {"probe": "yes"})
    client.set_channel("probe", "webhook", url=hook.url, per_minute=600)
    client.set_alert_rule(
        "probe",
        "store_down",
        labels={"probe": "yes"},
        parameters=_RULE,
        hold_open_minutes=0,
        delivery={"channels": ["probe"]},
    )
