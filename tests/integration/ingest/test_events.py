"""Events and reasons from files and calls: stored once, counted, corrected, and part of reports at every cut."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import Limits, LoadOptions, ingest_paths
from services.ingest.write.import_result import ImportResult
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot
from services.worker.part import render_part
from shared.ids import new_id
from shared.reason_words import MOST_WORDS
from shared.reports.batch import Batch
from tests.integration.ingest.service import ingest_service, problem

MONDAY = datetime(2024, 9, 2, 10, tzinfo=UTC)
HEADER = "store_id,status,timestamp_utc,reason,event,until"
PAUSE = [
    f"a,active,{MONDAY:%F} 10:30:00 UTC,,,",
    f"a,inactive,{MONDAY:%F} 11:20:15 UTC,paused_by_store,yes,{MONDAY:%F} 11:50:00 UTC",
    f"a,active,{MONDAY:%F} 12:30:00 UTC,,no,",
]
EVENT_BIT, ACTIVE_BIT, PAUSED_BY_STORE, BUSY = 2, 1, 1 << 2, 4 << 2


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool", scopes=("ingest:write", "admin")) as client:
        yield client


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def load(
    url: str, folder: Path, *rows: str, header: str = HEADER, chunk_bytes: int = 1 << 20
) -> ImportResult:
    file = folder / f"{new_id()}.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    (done,) = ingest_paths(url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=chunk_bytes)))
    return done


def counts(done: ImportResult) -> tuple[int, int, int, int]:
    return done.accepted, done.duplicate, done.corrected, done.rejected


def notes(conn: psycopg.Connection) -> list[tuple[str, int]]:
    rows = conn.execute(
        "select to_char(observed_at at time zone 'UTC', 'HH24:MI:SS'), code from poll_note order by since_seq, 1, 2"
    )
    return [(text, code) for text, code in rows]


def data_cut(conn: psycopg.Connection) -> int:
    ((cut,),) = conn.execute("select data_cut from ledger_head")
    return int(cut)


def report(conn: psycopg.Connection, *, policy: str = "classic", pinned_cut: int | None = None) -> str:
    """The row of store a: minutes up and down in the last two hours before 12:30."""
    at = MONDAY.replace(hour=12, minute=30)
    batch = Batch(
        new_id(), 0, "a", "a", 1, None, at, policy, False, ["PT2H"], data_cut(conn), None, ("report",), pinned_cut
    )  # fmt: skip
    with one_snapshot(conn) as snapshot:
        given = InputCache(1 << 20).load_input(conn, batch, snapshot)
    return render_part(batch, given).data.decode().splitlines()[1]


def test_a_file_with_a_pause_and_its_end(database_url: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    assert counts(load(database_url, tmp_path, *PAUSE)) == (4, 0, 0, 0)
    assert notes(conn) == [
        ("11:20:15", PAUSED_BY_STORE + EVENT_BIT),
        ("11:50:00", EVENT_BIT + ACTIVE_BIT),
    ]
    assert report(conn) == report(conn, policy="hold") == "a,1.5042,0.4958"
    cut = data_cut(conn)
    assert counts(load(database_url, tmp_path, *reversed(PAUSE))) == (0, 4, 0, 0)
    assert data_cut(conn) == cut
    assert len(notes(conn)) == 2


@pytest.mark.parametrize("chunk_bytes", [60, 1 << 20])
def test_another_reason_is_a_correction_and_the_earlier_cut_stays(
    database_url: str, conn: psycopg.Connection, tmp_path: Path, chunk_bytes: int
) -> None:
    looks = [",".join([*row.split(",")[:3], "", "", ""]) for row in PAUSE]
    looks.append(f"a,active,{MONDAY:%F} 11:50:00 UTC,,,")
    assert counts(load(database_url, tmp_path, *looks, chunk_bytes=chunk_bytes)) == (4, 0, 0, 0)
    before, cut = report(conn), data_cut(conn)
    assert before == "a,1.3333,0.6667"
    assert counts(load(database_url, tmp_path, *PAUSE, chunk_bytes=chunk_bytes)) == (0, 2, 2, 0)
    assert data_cut(conn) > cut
    assert report(conn) == "a,1.5042,0.4958"
    assert report(conn, pinned_cut=cut) == before
    # A delivery without reasons withdraws nothing.
    assert counts(load(database_url, tmp_path, *looks, chunk_bytes=chunk_bytes)) == (0, 4, 0, 0)
    assert report(conn) == "a,1.5042,0.4958"


def test_a_corrected_status_ends_the_event_and_corrected_back_it_holds_again(
    database_url: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    load(database_url, tmp_path, *PAUSE)
    header, at = "store_id,status,timestamp_utc", f"{MONDAY:%F} 11:20:15 UTC"
    assert counts(load(database_url, tmp_path, f"a,active,{at}", header=header)) == (0, 0, 1, 0)
    assert report(conn) == "a,2.0000,0.0000"
    assert counts(load(database_url, tmp_path, f"a,inactive,{at}", header=header)) == (0, 0, 1, 0)
    assert report(conn) == "a,1.5042,0.4958"


def test_bad_values_are_rejected_with_what_to_write(
    database_url: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    good = [f"b,active,{MONDAY + timedelta(minutes=n):%FT%TZ},,," for n in range(40)]
    done = load(database_url, tmp_path, *good, f"b,inactive,{MONDAY:%F} 20:00:00 UTC,oven,,")
    assert counts(done) == (40, 0, 0, 1)
    assert [reject.reason for reject in done.first_rejects] == ["unknown_reason"]
    conn.execute("insert into reason (word) values ('oven')")
    assert counts(load(database_url, tmp_path, f"b,inactive,{MONDAY:%F} 20:00:00 UTC,OVEN,,")) == (1, 0, 0, 0)


def observation(minute: int, status: str, **more: Any) -> dict[str, Any]:
    at = (MONDAY + timedelta(minutes=minute)).isoformat()
    return {"store_id": "a", "status": status, "observed_at": at, **more}


def send(service: TestClient, *polls: dict[str, Any]) -> tuple[int, int, int]:
    answer = service.post("/v1/observations", json={"observations": polls})
    body = answer.json()
    assert answer.status_code == 200, body
    return body["accepted"], body["duplicate"], body["corrected"]


def test_live_polls_carry_the_same(service: TestClient, conn: psycopg.Connection) -> None:
    end = (MONDAY + timedelta(minutes=110)).isoformat()
    pause = observation(80, "inactive", event=True, reason="busy", until=end)
    assert send(service, observation(30, "active"), pause, observation(150, "active")) == (4, 0, 0)
    assert report(conn) == "a,1.5000,0.5000"
    assert notes(conn) == [("11:20:00", BUSY + EVENT_BIT), ("11:50:00", EVENT_BIT + ACTIVE_BIT)]
    assert send(service, pause) == (0, 2, 0)
    assert send(service, observation(80, "inactive", reason="other")) == (0, 0, 1)
    assert send(service, observation(80, "inactive")) == (0, 1, 0)
    assert notes(conn)[-1] == ("11:20:00", 10 << 2)


@pytest.mark.parametrize(
    ("poll", "field"),
    [
        (observation(80, "inactive", reason="unheard"), "reason"),
        (observation(80, "inactive", until="2024-09-02T12:00:00Z"), "until"),
        (observation(80, "inactive", event=True, until="2024-09-02"), "until"),
        (observation(80, "inactive", event=True, until="2024-09-02T10:00:00Z"), "until"),
        (observation(80, "inactive", event=True, until="2099-09-02T10:00:00Z"), "until"),
        (observation(80, "inactive", event="yes"), "event"),
    ],
)
def test_a_bad_value_refuses_the_call_and_names_its_field(
    service: TestClient, conn: psycopg.Connection, poll: dict[str, Any], field: str
) -> None:
    sent = {"observations": [observation(30, "active", event=True, until="2024-09-02T10:31:00Z"), poll]}
    found = problem(service.post("/v1/observations", json=sent), 422, "invalid_request")
    named = found.get("field") or found["errors"][0]["field"]
    assert named == f"body.observations.1.{field}"
    assert conn.execute("select count(*) from observation").fetchone() == (0,)


def test_words_are_added_described_and_removed(service: TestClient, conn: psycopg.Connection) -> None:
    words = [one["word"] for one in service.get("/v1/reasons").json()["reasons"]]
    assert words[:2] == ["paused_by_store", "paused_by_platform"]
    made = service.put("/v1/reasons/oven_broken", json={"description": "The oven is broken."}).json()
    assert made == {"word": "oven_broken", "description": "The oven is broken.", "is_builtin": False}
    assert service.get("/v1/reasons/oven_broken").json() == made
    assert send(service, observation(30, "inactive", reason="Oven_Broken")) == (1, 0, 0)
    assert service.delete("/v1/reasons/oven_broken").status_code == 204
    problem(service.get("/v1/reasons/oven_broken"), 404, "reason_not_found")
    problem(service.delete("/v1/reasons/oven_broken"), 404, "reason_not_found")
    problem(service.put("/v1/reasons/No Word", json={}), 422, "invalid_request")
    ((number,),) = conn.execute("select code >> 2 from poll_note").fetchall()
    service.put("/v1/reasons/oven_broken", json={})
    assert conn.execute("select reason_id from reason where word = 'oven_broken'").fetchone() == (number,)


def test_a_word_that_is_set_again_takes_no_new_number(service: TestClient, conn: psycopg.Connection) -> None:
    for word in ("first_word", "first_word", "busy", "first_word", "second_word"):
        assert service.put(f"/v1/reasons/{word}", json={"description": word}).status_code == 200
    rows = conn.execute("select word, reason_id from reason where not is_builtin order by 2").fetchall()
    assert rows == [("first_word", 1000), ("second_word", 1001)]
    assert service.get("/v1/reasons/busy").json()["description"] == "busy"


def test_notes_go_with_the_week_of_their_polls(
    database_url: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    load(database_url, tmp_path, *PAUSE, f"a,inactive,{MONDAY + timedelta(days=7):%FT%TZ},busy,,")
    conn.execute("select drop_oldest_week(%s, %s)", [MONDAY + timedelta(days=7), new_id()])
    assert notes(conn) == [("10:00:00", BUSY)]


def test_the_registry_has_a_limit(service: TestClient, conn: psycopg.Connection) -> None:
    conn.execute(
        "insert into reason (word) select 'w' || n from generate_series(1, %s) n"
        " where n <= %s - (select count(*) from reason)",
        [MOST_WORDS, MOST_WORDS],
    )
    refused = problem(service.put("/v1/reasons/one_more", json={}), 409, "limit_reached")
    assert refused["detail"].startswith("there are 7,000 reasons")
    # A word that exists, or existed, can be set.
    assert service.delete("/v1/reasons/w5").status_code == 204
    assert service.put("/v1/reasons/w5", json={"description": "again"}).status_code == 200
    assert len(service.get("/v1/reasons").json()["reasons"]) == MOST_WORDS


def test_numbers_that_were_drawn_and_lost_are_no_fault(service: TestClient, conn: psycopg.Connection) -> None:
    conn.execute("select setval(pg_get_serial_sequence('reason', 'reason_id'), 8191)")
    problem(service.put("/v1/reasons/one_more", json={}), 409, "limit_reached")
    problem(service.put("/v1/reasons/late_opening", json={}), 422, "invalid_request")
