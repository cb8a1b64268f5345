"""Store ids: one rule for files by both ways, live polls, and paths; look-alikes are reported."""

from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from shared.store_ids import ID_FAULTS
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.conftest import LoadFile
from tests.integration.ingest.database import POLLS_HEADER, observations
from tests.integration.ingest.service import ended, ingest_service, problem

AT = "2024-09-02 00:00:00 UTC"
MONDAY = {"day_of_week": 0, "start_time_local": "09:00", "end_time_local": "17:00"}
EDGES = [
    "\u00a0caf\u00e9",
    "cafe\u0301\u200b",
    "\ufeffcaf\u00e9 ",
    "\u200ecaf\u00e9\u200f",
    "\u202acaf\u00e9\u202c",
]
EDGES += ["\u3000caf\u00e9", "\u2060caf\u00e9", "caf\u00e9\u2003\u200d"]
BAD = ["caf\u200b\u00e9", "a\u202eb", "a\u00a0b", "a\u2028b", "a\u00adb", "a\u0085b", "a\U000e0041", "\u200b"]
ODD = ["8E5", "1.23E+17", "12345.0", "1,234", '="00123"', "'00124", "NULL", "nan", "None", "#N/A", "<NA>"]


def polls(*ids: str) -> bytes:
    return "\n".join([POLLS_HEADER, *(f"{_quote(store_id)},active,{AT}" for store_id in ids), ""]).encode()


def _quote(store_id: str) -> str:
    """Return a field of CSV."""
    return '"' + store_id.replace('"', '""') + '"' if {*store_id} & {",", '"'} else store_id


def stores(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as conn:
        return {store_id for (store_id,) in conn.execute("select store_id from store")}


def test_ids_are_cleaned_in_files(load_file: LoadFile, database_url: str) -> None:
    found = load_file(polls(*EDGES, *["plain"] * 30))
    assert found.rejects == []
    assert stores(database_url) == {"caf\u00e9", "plain"}
    assert set(observations(database_url)) == {
        (store_id, "2024-09-02 00:00:00.000000") for store_id in ("caf\u00e9", "plain")
    }


def test_bad_and_odd_ids_are_rejected_in_files(load_file: LoadFile, database_url: str) -> None:
    found = load_file(polls(*["plain"] * 30, *BAD, *ODD))
    reasons = ["control_character", "control_character", "store_id", *["control_character"] * 4, "no_id"]
    assert [reason for _, reason in found.rejects] == [*reasons, *["odd_id"] * len(ODD)]
    assert stores(database_url) == {"plain"}


def test_ids_that_look_like_comments_are_read_and_named(load_file: LoadFile, database_url: str) -> None:
    assert load_file(polls("#b4", "plain")).rejects == []
    load_file(b"store_id,timezone_str\n#b5,UTC\n")
    assert stores(database_url) == {"#b4", "#b5", "plain"}
    with psycopg.connect(database_url) as conn:
        notes = conn.execute("select quality -> 'notes' ->> 0 from import order by started_at").fetchall()
    assert ["1 store id begins with #, such as '#b4'" in notes[0][0], "write %23" in notes[1][0]] == [
        True,
        True,
    ]


def test_odd_ids_are_loaded_if_they_are_allowed(load_file: LoadFile, database_url: str) -> None:
    data = polls("plain", *ODD[:1])
    assert load_file(data).rejects == [(3, "odd_id")]
    # The same bytes are not skipped: what was rejected is allowed now.
    assert load_file(data, allow_odd_ids=True).rejects == []
    assert stores(database_url) == {"plain", ODD[0]}


def test_hours_of_an_odd_id_name_no_store(load_file: LoadFile, database_url: str) -> None:
    header = "store_id,day_of_week,start_time_local,end_time_local"
    found = load_file(
        f"{header}\na,0,09:00,17:00\nNULL,0,09:00,17:00\n\u00a0b\u200b,0,09:00,17:00\n".encode()
    )
    assert found.rejects == [(3, "odd_id")]
    assert "stores_unchanged" not in found.quality
    assert stores(database_url) == {"a", "b"}


@pytest.mark.parametrize("allowed", [False, True])
def test_live_polls_and_paths_follow_the_same_rule(
    database_url: str, tmp_path: Path, *, allowed: bool
) -> None:
    with ingest_service(database_url, tmp_path / "spool", allow_odd_ids=allowed) as client:

        def send(store_id: str) -> list[int]:
            poll = {"store_id": store_id, "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
            path = f"/v1/stores/{quote(store_id, safe='')}"
            answers = [
                client.post("/v1/observations", json={"observations": [poll]}),
                client.put(f"{path}/hours", json={"hours": [MONDAY]}, params={"create": "true"}),
                client.put(f"{path}/timezone", json={"timezone": "UTC"}, params={"create": "true"}),
                client.put(f"{path}/labels", json={"labels": {}}, params={"create": "true"}),
            ]
            for answer in answers:
                assert answer.status_code == 200 or "the store id" in answer.json()["detail"]
            return [answer.status_code for answer in answers]

        for store_id in EDGES:
            assert send(store_id) == [200] * 4, ascii(store_id)
        for store_id in BAD:
            assert send(store_id) == [422] * 4, ascii(store_id)
        for store_id in ODD:
            assert send(store_id) == [200 if allowed else 422] * 4, store_id
        refused = client.put("/v1/stores/a%E2%80%8Bb/timezone", json={"timezone": "UTC"})
        assert problem(refused, 422, "invalid_request") | {"field": "path.store_id"} == refused.json()
        assert refused.json()["detail"] == ID_FAULTS["control_character"]
    assert stores(database_url) == {"caf\u00e9", *(ODD if allowed else [])}


@pytest.mark.parametrize(
    "path", ["a%FFb", "%E9", "%C0%80", "%ED%A0%80", "caf%E9", "%F8%88%80%80%80", "a%2F%80", "%C3"]
)
def test_a_path_that_is_not_utf_8_is_400(database_url: str, tmp_path: Path, path: str) -> None:
    with ingest_service(database_url, tmp_path / "spool") as client:
        for call in ("hours", "timezone", "labels"):
            refused = problem(client.put(f"/v1/stores/{path}/{call}", json={}), 400, "bad_request")
            assert "not UTF-8" in refused["detail"]
    assert stores(database_url) == set()


def test_look_alikes_of_one_file(load_file: LoadFile) -> None:
    ids = [
        "7",
        "007",
        "Store-A",
        "store-a",
        "B-07",
        "b-7",
        "\u00c9t\u00e9",
        "\u00e9t\u00e9",
        "70",
        "8",
        "x0y",
        "xy",
        "0",
        "00",
    ]
    found = load_file(polls(*ids))
    assert found.rejects == []
    listed = {frozenset(pair.values()) for pair in found.quality["look_alikes_list"]}
    pairs = [
        ("7", "007"),
        ("Store-A", "store-a"),
        ("B-07", "b-7"),
        ("\u00c9t\u00e9", "\u00e9t\u00e9"),
        ("0", "00"),
    ]
    assert listed == set(map(frozenset, pairs))
    assert found.quality["look_alikes"] == len(pairs)
    assert "007" in found.told


def test_look_alikes_of_stored_stores(load_file: LoadFile) -> None:
    assert "look_alikes" not in load_file(polls("Lake-1", "42"), "first.csv").quality
    zones = load_file(b"store_id,timezone_str\nLAKE-1,America/Chicago\nother,UTC\n", "zones.csv")
    assert zones.quality["look_alikes_list"] == [{"store_id": "LAKE-1", "other": "Lake-1"}]
    assert zones.quality["look_alikes"] == 1
    hours = load_file(b"store_id,day,start_time_local,end_time_local\n0042,0,09:00,17:00\n", "hours.csv")
    assert hours.quality["look_alikes_list"] == [{"store_id": "0042", "other": "42"}]
    # Look-alikes of other stores are not this file's.
    assert "look_alikes" not in load_file(polls("other", "new"), "later.csv").quality


@pytest.mark.parametrize("others", [0, 30_000])
def test_look_alikes_among_many_stores(load_file: LoadFile, database_url: str, others: int) -> None:
    """Few ids are compared by the database, and many by the command."""
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "insert into store (store_id) select 'shop-' || number from generate_series(1, 120000) number"
        )
    more = [f"shop-{number}" for number in range(20_000, 20_000 + others)]
    found = load_file(polls("Shop-00007", "SHOP-119999", "shop-3", "\u0130ris", "iris", *more))
    listed = {frozenset(pair.values()) for pair in found.quality["look_alikes_list"]}
    pairs = [("Shop-00007", "shop-7"), ("SHOP-119999", "shop-119999"), ("\u0130ris", "iris")]
    assert listed == set(map(frozenset, pairs))


def test_look_alikes_are_listed_up_to_100(database_url: str, tmp_path: Path) -> None:
    ids = [f"{'0' * zeros}{number}" for number in range(1, 51) for zeros in range(5)]
    (tmp_path / "polls.csv").write_bytes(polls(*ids))
    done = run_ingest(database_url, str(tmp_path / "polls.csv"))
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as conn:
        ((quality,),) = conn.execute("select quality from import")
    assert (quality["look_alikes"], len(quality["look_alikes_list"])) == (200, 100)
    assert b"180 more" in done.stderr


def test_an_archive_reports_the_look_alikes_of_its_members(database_url: str, tmp_path: Path) -> None:
    files = [("files", (f"{name}.csv", polls(name))) for name in ("a1", "A1")]
    with ingest_service(database_url, tmp_path / "spool") as client:
        body = ended(client, client.post("/v1/imports?name=form", files=files))
    (pair,) = body["quality"]["look_alikes_list"]
    assert {pair["store_id"], pair["other"]} == {"a1", "A1"}
    assert pair["source"].endswith("A1.csv")
