"""If a file of a delivery is refused, nothing of the delivery takes effect but polls: stores keep what they had."""

import gzip
import re
from itertools import permutations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ingest.run import (
    Limits,
    LoadOptions,
    LoadProgress,
    ingest_paths,
    load_source,
    plan_paths,
)
from services.ingest.watch import Watcher
from shared.settings import Settings
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.deliveries import Deliver, days, pack, table, week

AM = table(*week("e5", 0, 1, opens="08:00", closes="18:00"))
PM = table(*week("e5", 0, 1, opens="18:00", closes="23:00"))
ZONES = table("e5,America/Denver", header="store_id,timezone_str")
SPECIAL = table("e5,2024-12-25,10:00,12:00", header="store_id,date,start_time_local,end_time_local")
POLLS = table("e5,active,2024-10-14 10:00:00 UTC", header="store_id,status,timestamp_utc")
BAD = "shop,day\n"


def state_of(database_url: str) -> tuple[Any, ...]:
    """Return the openings of e5, its zone, its special dates and its polls."""
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import_staged").fetchone() == (0,)
        return (
            conn.execute("select count(*) from business_hours").fetchall()[0][0],
            conn.execute("select max(timezone) from store").fetchall()[0][0],
            conn.execute("select count(*) from special_hours").fetchall()[0][0],
            conn.execute("select count(*) from observation").fetchall()[0][0],
        )


def outcomes(database_url: str) -> dict[str, tuple[str, str | None]]:
    """Return state and reason of the newest import of each file that is not an archive."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select source, state, error ->> 'reason' from import where kind is distinct from 'archive' order by id"
        ).fetchall()
    return {Path(source).name: (state, reason) for source, state, reason in rows}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (BAD, "header"),
        (table("e5,x,y,z", "e5,x,y,z"), "reject_threshold"),
        (table(*week("e5", 0, 7)), "day_numbers"),
        (table("e5,nowhere", "f,nowhere", header="store_id,timezone_str"), "reject_threshold"),
    ],
)
def test_everything_but_polls_is_held(deliver: Deliver, database_url: str, bad: str, reason: str) -> None:
    deliver({"am.csv": AM, "pm.csv": PM, "zones.csv": ZONES})
    before = state_of(database_url)
    assert before == (4, "America/Denver", 0, 0)
    other = table("e5,UTC", header="store_id,timezone_str")
    told, _ = deliver(
        {"am.csv": AM, "bad.csv": bad, "zones.csv": other, "dates.csv": SPECIAL, "polls.csv": POLLS}
    )
    assert state_of(database_url) == (*before[:3], 1)
    assert outcomes(database_url) == {
        "am.csv": ("failed", "delivery_incomplete"),
        "pm.csv": ("succeeded", None),
        "bad.csv": ("failed", reason),
        "zones.csv": ("failed", "delivery_incomplete"),
        "dates.csv": ("failed", "delivery_incomplete"),
        "polls.csv": ("succeeded", None),
    }
    assert "bad.csv of the same delivery was not loaded" in told
    assert "load all files of the delivery again" in told
    # The second try is not skipped as the same bytes.
    deliver({"am.csv": AM, "bad.csv": PM, "zones.csv": other, "dates.csv": SPECIAL, "polls.csv": POLLS})
    assert state_of(database_url) == (4, "UTC", 1, 1)


def message_of(database_url: str, file: str) -> str:
    """Return why the import of a file failed."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select error ->> 'message' from import where source like %s", [f"%{file}"]
        ).fetchall()
    ((message,),) = rows
    return str(message)


@pytest.mark.parametrize(("bad", "named"), [(2, ""), (3, ""), (5, " and 2 more")])
def test_every_refused_file_is_named(deliver: Deliver, database_url: str, bad: int, named: str) -> None:
    names = [f"bad-{number}.csv" for number in range(bad)]
    deliver({"am.csv": AM, **dict.fromkeys(names, BAD), "zones.csv": ZONES})
    culprits = ", ".join(rf"[^,]*{re.escape(name)}" for name in names[:3])
    for held in ("am.csv", "zones.csv"):
        assert re.fullmatch(
            rf"not applied, because {culprits}{named} of the same delivery were not loaded: stores keep what they had\."
            r" Correct those files, or leave them out, and load all files of the delivery again",
            message_of(database_url, held),
        )


def test_files_of_archives_are_named_with_them(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "week.zip").write_bytes(pack({"am.csv": AM, "in/bad.csv": BAD, "in/worse.csv": BAD}))
    (tmp_path / "zones.csv").write_text(ZONES)
    for dry_run in (["--dry-run"], []):
        told = run_ingest(
            database_url, str(tmp_path / "1" / "week.zip"), str(tmp_path / "zones.csv"), *dry_run
        ).stderr.decode()
        culprits = "week.zip/in/bad.csv, week.zip/in/worse.csv"
        assert (
            f"NOT APPLIED: zones.csv, week.zip/am.csv, because {culprits} of the same delivery were" in told
        )
        assert f"Correct {culprits}, or leave them out" in told
    assert f"{tmp_path}/1/week.zip/in/bad.csv, {tmp_path}/1/week.zip/in/worse.csv of the same" in message_of(
        database_url, "am.csv"
    )


def test_a_refused_file_of_polls_holds_nothing(deliver: Deliver, database_url: str) -> None:
    polls = table("e5,up,2024-10-14 10:00:00 UTC", header="store_id,status,timestamp_utc")
    deliver({"am.csv": AM, "pm.csv": PM, "polls.csv": polls})
    assert state_of(database_url) == (4, None, 0, 0)
    assert outcomes(database_url)["polls.csv"] == ("failed", "reject_threshold")


ZERO, ONE, NEITHER = (
    table(*week("zero", 0, 1)),
    table(*week("one", 1, 7)),
    table(*week("neither", 1, 2, 3, 4, 5)),
)
NAMED = table(*week("named", "Tue"))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_the_file_is_refused_that_does_not_tell_which_day_is_1(
    deliver: Deliver, database_url: str, order: tuple[int, int, int]
) -> None:
    zero, one, neither = (
        f"{place}-{name}.csv" for place, name in zip(order, ("zero", "one", "neither"), strict=True)
    )
    told, _ = deliver({zero: ZERO, one: ONE, neither: NEITHER, "names.csv": NAMED})
    assert f"{neither} has neither day 0 nor day 7, so it is unclear which day is 1 there" in told
    assert f"{zero} has day 0" in told
    assert f"{one} has day 7" in told
    assert f"{neither} of the same delivery was not loaded" in told
    held = ("failed", "delivery_incomplete")
    assert outcomes(database_url) == {
        zero: held,
        one: held,
        neither: ("failed", "day_numbers"),
        "names.csv": held,
    }
    assert state_of(database_url) == (0, None, 0, 0)
    deliver({zero: ZERO, one: ONE, "names.csv": NAMED})
    assert (days(database_url, "zero"), days(database_url, "one")) == ([0, 1], [0, 6])
    assert days(database_url, "named") == [1]


@pytest.mark.parametrize("names", list(permutations(["zero.csv", "one.csv", "neither.csv"])))
def test_a_dry_run_refuses_the_file_that_a_load_refuses(
    database_url: str, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name, text in {
        "zero.csv": ZERO,
        "one.csv": ONE,
        "neither.csv": NEITHER,
        "other.csv": NEITHER,
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "zones.csv").write_text(ZONES)

    def refused(*files: str) -> list[tuple[str, str | None]]:
        paths = [str(tmp_path / file) for file in files]
        planned, loaded = plan_paths(database_url, paths), ingest_paths(database_url, paths)
        assert [(one.source, one.reason, one.error) for one in planned] == [
            (one.source, one.reason, one.error) for one in loaded
        ]
        assert {one.reason for one in loaded if one.is_held} == {"delivery_incomplete"}
        return [(Path(one.source).name, one.reason) for one in loaded if not one.is_held]

    assert refused(*names, "zones.csv") == [("neither.csv", "day_numbers")]
    assert sorted(refused("other.csv", *names)) == [
        ("neither.csv", "day_numbers"),
        ("other.csv", "day_numbers"),
    ]
    assert state_of(database_url) == (0, None, 0, 0)


def test_the_command_names_what_is_held_and_exits_with_1(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "am.csv").write_text(AM)
    evening = gzip.compress(PM.encode())
    (tmp_path / "pm.csv.gz").write_bytes(evening)
    whole = run_ingest(database_url, str(tmp_path))
    assert whole.returncode == 0
    assert b"NOT APPLIED" not in whole.stderr
    (tmp_path / "pm.csv.gz").write_bytes(evening[:-6])
    cut = run_ingest(database_url, str(tmp_path))
    assert cut.returncode == 1
    assert b"NOT APPLIED: am.csv, because pm.csv.gz of the same delivery was not loaded" in cut.stderr
    assert b"Correct pm.csv.gz, or leave it out, and load all files of the delivery again" in cut.stderr
    assert state_of(database_url)[0] == 4
    (tmp_path / "pm.csv.gz").write_bytes(evening)
    assert run_ingest(database_url, str(tmp_path)).returncode == 0
    assert state_of(database_url)[0] == 4
    check_ledger(database_url)


def test_a_file_that_changes_between_two_steps_is_refused(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "am.csv").write_text(AM)
    (tmp_path / "pm.csv").write_text(PM)
    results: list[str] = []

    def load(source: Any, import_id: Any, step: Any) -> Any:
        result = load_source(database_url, source, import_id, step)
        if step.is_last:
            (tmp_path / "am.csv").write_text(AM.replace("08:00", "07:00"))
        results.append(f"{Path(source.name).name} {result.state} {result.reason}")
        return result

    watcher = Watcher(str(tmp_path), Settings.model_validate({"database_url": database_url}), load)
    watcher.check_once()
    watcher.check_once()
    assert results[2:] == ["am.csv failed changed_during_read", "pm.csv failed delivery_incomplete"]
    assert state_of(database_url) == (0, None, 0, 0)


def test_the_watcher_waits_for_the_refused_file(database_url: str, tmp_path: Path) -> None:
    loads: list[str] = []

    def load(*args: Any) -> Any:
        result = load_source(database_url, *args, options=LoadOptions(limits=Limits()))
        if result.state != "running":
            loads.append(f"{Path(result.source).name} {result.state}")
        return result

    settings = Settings.model_validate({"database_url": database_url})

    def check(watcher: Watcher) -> list[str]:
        loads.clear()
        watcher.check_once()
        watcher.check_once()
        return sorted(loads)

    (tmp_path / "am.csv").write_text(AM)
    (tmp_path / "pm.csv").write_text(BAD)
    (tmp_path / "polls.csv").write_text(POLLS)
    watcher = Watcher(str(tmp_path), settings, load)
    assert check(watcher) == ["am.csv failed", "pm.csv failed", "polls.csv succeeded"]
    assert check(watcher) == []
    # Other deliveries go on.
    (tmp_path / "zones.csv").write_text(ZONES)
    assert check(watcher) == ["zones.csv succeeded"]
    assert state_of(database_url) == (0, "America/Denver", 0, 1)
    # A restart tries the delivery again, as a whole.
    watcher = Watcher(str(tmp_path), settings, load)
    assert check(watcher) == ["am.csv failed", "pm.csv failed"]
    assert check(watcher) == []
    (tmp_path / "pm.csv").write_text(PM)
    assert check(watcher) == ["am.csv succeeded", "pm.csv succeeded"]
    assert check(watcher) == []
    assert state_of(database_url) == (4, "America/Denver", 0, 1)


def test_the_watcher_loads_what_was_held_once_the_refused_file_is_gone(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "am.csv").write_text(AM)
    (tmp_path / "bad.csv").write_text(BAD)
    settings = Settings.model_validate({"database_url": database_url})
    watcher = Watcher(str(tmp_path), settings, lambda *args: load_source(database_url, *args))
    for _ in range(3):
        watcher.check_once()
    assert state_of(database_url)[0] == 0
    (tmp_path / "bad.csv").unlink()
    watcher.check_once()
    assert state_of(database_url)[0] == 2


def test_what_an_interrupted_delivery_staged_does_not_join_another(database_url: str, tmp_path: Path) -> None:
    """A killed delivery leaves staged rows. A file of it that is loaded alone replaces alone."""
    am, pm = tmp_path / "am.csv", tmp_path / "pm.csv"
    am.write_text(AM)
    pm.write_text(PM)

    def stop_when_staged(result: Any) -> None:
        raise AssertionError(result)

    def break_off(progress: Any) -> None:
        if progress.source == str(pm):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_paths(
            database_url,
            [str(am), str(pm)],
            options=LoadOptions(on_progress=break_off),
            on_result=stop_when_staged,
        )
    (result,) = ingest_paths(database_url, [str(am)])
    assert result.accepted == 2
    with psycopg.connect(database_url) as conn:
        opens = conn.execute("select distinct opens from business_hours").fetchall()
    assert opens == [(8 * 3600,)]


@pytest.mark.parametrize("stops_at", ["pm.csv", "taking effect"])
def test_a_delivery_stopped_with_ctrl_c_leaves_no_import_running(
    database_url: str, tmp_path: Path, stops_at: str
) -> None:
    """Those whose rows wait and the one at work end with the same words, and the same command resumes both."""
    am, pm = tmp_path / "am.csv", tmp_path / "pm.csv"
    am.write_text(AM)
    pm.write_text(PM)

    def press_ctrl_c(progress: LoadProgress) -> None:
        applies = progress.rows_to_apply > 0
        if applies if stops_at == "taking effect" else progress.source.endswith(stops_at):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_paths(database_url, [str(am), str(pm)], options=LoadOptions(on_progress=press_ctrl_c))
    assert outcomes(database_url) == {"am.csv": ("failed", "fault"), "pm.csv": ("failed", "fault")}
    with psycopg.connect(database_url) as conn:
        said = conn.execute("select distinct error ->> 'message' from import").fetchall()
    assert said == [("stopped with Ctrl-C; run the same command again to go on",)]
    again = ingest_paths(database_url, [str(am), str(pm)])
    assert [(each.state, each.accepted) for each in again] == [("succeeded", 2), ("succeeded", 2)]
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*), min(state) from import").fetchone() == (2, "succeeded")
