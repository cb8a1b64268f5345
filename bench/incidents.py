"""A day replayed minute by minute: its incidents beside the outages of a finished report, and the messages of each rule."""

import gzip
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import psycopg

from bench.figures import Figure, Target
from bench.groups import run_groups
from bench.own_database import load_folder, make_database
from bench.replay import DayReplay, RuleSet
from bench.slow_incidents import SeenOutage, seen_outages
from bench.stand import REFERENCE_STORES, Stand
from services.sample import write_sample
from shared.clock import to_us
from shared.keys import create_key
from shared.uptime.batch import StoreHistory
from shared.uptime.calendar import Hours
from shared.uptime.states import Polls
from tests.fixtures.logins import make_test_logins
from tests.fixtures.services import Services
from tests.oracle.accounting import DAY_US, HOUR_US, MINUTE_US
from tests.oracle.incidents import Rule
from tests.property.test_incident_replay import EVERY_OUTAGE

_DATABASE: Final = "uptill_bench_incidents"
# Where the published data lies beside the checkout.
PUBLISHED: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "2025"
_DAYS: Final = 12
# A store that is silent when the day begins may have an incident that began before.
_BEFORE_US: Final = 12 * HOUR_US
_MOST_SHOWN: Final = 20
_PLAIN: Final = (
    Rule("down", "store_down", {}),
    Rule("silent", "store_silent", {}),
    Rule("late", "late_opening", {}),
)
_GROUPS: Final = (
    Rule("feed", "feed_silent", {}),
    Rule("zone", "group_down", {"by": "zone"}),
)


def run_incidents(stand: Stand, published: Path) -> Sequence[Figure]:
    """Replay the last day of the published polls if they are there, and of a sample otherwise."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        what = _take_files(published, folder)
        url = make_database(stand, _DATABASE)
        load_folder(url, folder)
        end_us, outages = _report_outages(stand, url, folder / "report.csv")
        begin_us = end_us - DAY_US
        expected = seen_outages(outages, begin_us - _BEFORE_US, begin_us, end_us)
    every, plain, grouped = RuleSet([EVERY_OUTAGE]), RuleSet(_PLAIN), RuleSet([*_PLAIN, *_GROUPS])
    ids, whole = _read_stores(url)
    labels = [{"zone": zone or "America/Chicago"} for zone in whole.zones]
    replay = DayReplay(whole, labels)
    replay.run(begin_us - _BEFORE_US, begin_us - MINUTE_US, [every])
    replay.run(begin_us, end_us, [every, plain, grouped])
    found = _found(every, ids, begin_us, end_us)
    for each in sorted(expected ^ found, key=str)[:_MOST_SHOWN]:
        print("report only" if each in expected else "replay only", each, flush=True)
    return [
        Figure(f"{what}, {len(ids):,} stores: incidents of a day", "incidents", [len(found)]),
        Figure(
            "outages of the finished report without an incident",
            "outages",
            [len(expected - found)],
            target=Target("<=", 0),
        ),
        Figure(
            "incidents without an outage of it", "incidents", [len(found - expected)], target=Target("<=", 0)
        ),
        *_messages("each store alone", plain),
        *_messages("with groups and feed", grouped),
        *run_groups(stand),
    ]


def _take_files(published: Path, folder: Path) -> str:
    packed = published / "store_status_synthetic.csv.gz"
    if not packed.is_file():
        write_sample(folder, stores=REFERENCE_STORES, days=_DAYS)
        return "sample"
    for name in ("menu_hours.csv", "timezones.csv"):
        shutil.copyfile(published / name, folder / name)
    with gzip.open(packed) as source, (folder / "polls.csv").open("wb") as polls:
        shutil.copyfileobj(source, polls)
    return "2025"


def _report_outages(stand: Stand, url: str, file: Path) -> tuple[int, Path]:
    """Make a report with its outages by the real services. Return its instant and the file of outages."""
    make_test_logins(url)
    with psycopg.connect(url, autocommit=True) as conn:
        key = create_key(conn, name="bench", scopes=["admin"])
    env = {**stand.env, "UPTILL_DATABASE_URL": url, "UPTILL_API_KEY": key}
    with Services(env, stand.folder / "logs", warm=False) as services, services.client() as client:
        services.api()
        services.worker()
        services.scheduler()
        asked = client.create_report(policy="classic", windows=["P2D"], files=["report", "outages"])
        done = client.finished(asked.id)
        outages = file.with_name("outages.csv")
        client.save(next(each for each in done.files if each.name == "outages.csv"), outages)
    return to_us(done.as_of), outages


def _read_stores(url: str) -> tuple[list[str], StoreHistory]:
    """Return the polled stores: their ids, hours, zones and polls, by three plain statements."""
    with psycopg.connect(url) as conn:
        stores = conn.execute(
            "select store_key, store_id, timezone from store where polled_since_seq is not null order by store_key"
        ).fetchall()
        place = {key: number for number, (key, _, _) in enumerate(stores)}
        hours = [
            (place[row[0]], *row[1:])
            for row in conn.execute("select store_key, day_of_week, opens, closes from business_hours")
            if row[0] in place
        ]
        polls = [
            (place[key], at_us, active)
            for key, at_us, active in conn.execute(
                "select store_key, us_of(observed_at), is_active from observation"
            )
        ]
    number, at_us, active = np.array(polls, dtype=np.int64).reshape(-1, 3).T
    history = StoreHistory(
        [zone for _, _, zone in stores],
        Hours(*np.array(hours, dtype=np.int64).reshape(-1, 4).T),
        Polls(number, at_us, active.astype(np.bool_)),
    )
    return [store_id for _, store_id, _ in stores], history


def _found(every: RuleSet, ids: Sequence[str], begin_us: int, end_us: int) -> set[SeenOutage]:
    return {
        SeenOutage(ids[(case.store or 0) - 1], case.latest_us, case.calm_us)
        for case in every.memory.cases.values()
        if begin_us <= case.latest_us < end_us - MINUTE_US
    }


def _messages(what: str, rules: RuleSet) -> list[Figure]:
    """Return what each rule would have told: a message per incident and event, beside one per evaluation and event."""
    return [
        Figure(
            f"{what}, rule {rule.name}: messages, {rules.opened[rule.name]:,} incidents",
            "messages",
            [rules.together[rule.name]],
            "one per incident",
            [rules.alone[rule.name]],
        )
        for rule in rules.rules
        if rules.alone[rule.name]
    ]
