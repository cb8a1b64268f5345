"""Store directories: names, labels, zones and lifetimes from one file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import Limits, LoadOptions, ingest_paths, plan_paths
from tests.integration.ingest.database import check_ledger, counts, load, unchanged
from tests.integration.ingest.service import ingest_service, problem

FULL = "store_id,name,timezone,opened_at,closed_at,region,owner"


def held(database_url: str) -> dict[str, tuple[Any, ...]]:
    """Return name, zone, labels, and both ends of the lifetime of each store."""
    with psycopg.connect(database_url, options="-c timezone=UTC") as conn:
        rows = conn.execute(
            "select store_id, display_name, timezone, labels, opened_at::date::text, closed_at::date::text"
            " from store left join lifetime on lifetime.store_key = store.store_key and until_seq is null"
        ).fetchall()
    return {store_id: tuple(rest) for store_id, *rest in rows}


def rejects(database_url: str) -> list[tuple[int, str]]:
    with psycopg.connect(database_url) as conn:
        return conn.execute("select line, reason from import_reject order by import_id, line").fetchall()


def load_together(database_url: str, tmp_path: Path, *files: Sequence[str]) -> list[tuple[int, ...]]:
    """Load files as one delivery. Return the counts of each."""
    paths = []
    for number, lines in enumerate(files):
        paths.append(tmp_path / f"part{number}.csv")
        paths[-1].write_text("\n".join([*lines, ""]))
    results = ingest_paths(database_url, [str(path) for path in paths], options=LoadOptions(limits=Limits()))
    check_ledger(database_url)
    return [counts(result) for result in results]


def test_one_file_brings_names_labels_zones_and_lifetimes(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "stores.csv"
    rows = [
        FULL,
        'a,"Main Street, 12",America/Denver,2024-01-01T00:00:00Z,,north,Acme',
        "b,Zürich HB,Europe/Zurich,,2024-06-01T00:00:00Z,south,",
    ]
    assert counts(load(database_url, file, rows)) == (2, 0, 0, 0)
    assert held(database_url) == {
        "a": ("Main Street, 12", "America/Denver", {"region": "north", "owner": "Acme"}, "2024-01-01", None),
        "b": ("Zürich HB", "Europe/Zurich", {"region": "south"}, None, "2024-06-01"),
    }
    again = load(database_url, tmp_path / "again.csv", [*rows, ""])
    assert counts(again) == (0, 2, 0, 0)


def test_columns_that_the_file_has_are_set_and_others_stay(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "stores.csv"
    load(database_url, file, [FULL, "a,Alpha,UTC,2024-01-01T00:00:00Z,,north,Acme", "b,Beta,,,,south,Bert"])
    changed = load(database_url, file, ["store_id,name,owner,opened_at,tz", "a,,,,", "b,Beta,Bert,,"])
    assert counts(changed) == (0, 1, 1, 0)
    # Empty cells remove the name, the label and the end of the lifetime; the zone stays.
    assert held(database_url) == {
        "a": (None, "UTC", {"region": "north"}, None, None),
        "b": ("Beta", None, {"region": "south", "owner": "Bert"}, None, None),
    }
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select labels from superseded_labels").fetchall() == [
            ({"region": "north", "owner": "Acme"},)
        ]


def test_files_of_a_delivery_are_a_union(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "first.csv", ["store_id,name,region", "a,Alpha,north"])
    found = load_together(
        database_url,
        tmp_path,
        ["store_id,name,region,owner", "a,,,Acme", "b,Beta,south,"],
        ["store_id,name,timezone", "a,Alpha,UTC", "b,,Asia/Tokyo"],
    )
    assert found == [(1, 0, 1, 0), (1, 0, 1, 0)]
    assert held(database_url) == {
        "a": ("Alpha", "UTC", {"owner": "Acme"}, None, None),
        "b": ("Beta", "Asia/Tokyo", {"region": "south"}, None, None),
    }


def test_a_store_with_a_bad_row_keeps_what_it_had(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "first.csv", [FULL, *(f"{store},Old,UTC,,,north," for store in "abcdefg")])
    before = held(database_url)
    load(
        database_url,
        tmp_path / "second.csv",
        [
            FULL,
            "a,New,UTC,,,south,",
            "a,Newer,UTC,,,south,",  # another name
            f"b,{'x' * 1024},UTC,,,south,",
            f"c,New,UTC,,,{'x' * 256},",
            "d,New,PST,,,south,",
            "e,New,UTC,2024-02-01T00:00:00Z,2024-01-01T00:00:00Z,south,",
            "f,New\u200eer,UTC,,,south,",
            "g,New,UTC,,,south,",
            "*,Every,UTC,,,south,",
            *(f"ok{n},New,UTC,,,south," for n in range(10)),
        ],
    )
    assert rejects(database_url) == [
        (2, "store_twice"),
        (3, "store_twice"),
        (4, "name"),
        (5, "label"),
        (6, "timezone"),
        (7, "lifetime_order"),
        (8, "control_character"),
        (10, "every_store"),
    ]
    after = held(database_url)
    assert {store: after[store] for store in "abcdef"} == {store: before[store] for store in "abcdef"}
    assert after["g"][0] == "New"
    assert "*" not in after


def test_a_lifetime_is_compared_with_the_end_that_the_file_lacks(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "first.csv", ["store_id,name,opened_at", "a,A,2024-05-01T00:00:00Z"])
    refused = load(
        database_url,
        tmp_path / "second.csv",
        ["store_id,name,closed_at", "a,A,2024-04-01T00:00:00Z", "b,B,2024-04-01T00:00:00Z"],
    )
    assert counts(refused) == (1, 0, 0, 1)
    assert rejects(database_url) == [(2, "lifetime_order")]
    load(database_url, tmp_path / "third.csv", ["store_id,name,closed_at", "a,A,2024-06-01T00:00:00Z"])
    assert held(database_url)["a"] == ("A", None, {}, "2024-05-01", "2024-06-01")


def test_a_store_has_at_most_32_labels_in_all(database_url: str, tmp_path: Path) -> None:
    names = [f"l{number}" for number in range(32)]
    load(database_url, tmp_path / "a.csv", [",".join(["store_id,name", *names]), "a,A" + ",x" * 32])
    refused = load(database_url, tmp_path / "b.csv", ["store_id,name,more", "a,A,x", "b,B,x"])
    assert counts(refused) == (1, 0, 0, 1)
    assert rejects(database_url) == [(2, "labels")]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffstore_id;name;timezone;region\r\n1;Müller & Söhne;Europe/Berlin;süd\r\n".encode(),
        "store_id;name;timezone;region\r\n1;Müller & Söhne;Europe/Berlin;süd\r\n".encode("cp1252"),
        'store_id;name;timezone;region\n1;"\u200fMüller & Söhne\u200e";Europe/Berlin; süd \n'.encode(),
        "\ufeffstore_id\tname\ttimezone\tregion\n1\tMu\u0308ller & So\u0308hne\teurope/berlin\tsüd\n".encode(),
    ],
    ids=["bom", "cp1252", "marks", "tabs"],
)
def test_files_as_spreadsheets_write_them(database_url: str, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "stores.csv"
    file.write_bytes(data)
    ingest_paths(database_url, [str(file)])
    assert held(database_url) == {"1": ("Müller & Söhne", "Europe/Berlin", {"region": "süd"}, None, None)}


def test_a_name_with_a_line_break_rejects_its_row(database_url: str, tmp_path: Path) -> None:
    rows = ["store_id,name", '1,"Main', 'Street"', *(f"s{n},x" for n in range(5))]
    assert counts(load(database_url, tmp_path / "stores.csv", rows)) == (5, 0, 0, 2)
    assert rejects(database_url) == [(2, "quoting"), (3, "quoting")]
    assert "1" not in held(database_url)


def test_other_files_and_calls_make_a_directory_worth_loading_again(
    database_url: str, tmp_path: Path
) -> None:
    rows = ["store_id,name,timezone", "a,A,UTC"]
    first = load(database_url, tmp_path / "stores.csv", rows)
    assert load(database_url, tmp_path / "stores.csv", rows).same_as == first.id
    zones = ["store_id,timezone_str", "a,Asia/Tokyo"]
    load(database_url, tmp_path / "zones.csv", zones)
    assert counts(load(database_url, tmp_path / "stores.csv", rows)) == (0, 0, 1, 0)
    assert counts(load(database_url, tmp_path / "zones.csv", zones)) == (0, 0, 1, 0)


def test_a_dry_run_says_what_would_change(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "stores.csv"
    load(database_url, file, ["store_id,name,region", "a,A,north", "b,B,north"])
    file.write_text("store_id,name,region\na,A,south\nb,B,north\nc,C,\n")
    with unchanged(database_url):
        (result,) = plan_paths(database_url, [str(file)])
    assert (result.accepted, result.duplicate, result.corrected, result.rejected) == (1, 1, 1, 0)
    quality: Any = result.quality
    assert quality["plan"]["new_stores_list"] == ["c"]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


def test_a_name_is_set_by_a_call(service: TestClient, database_url: str) -> None:
    path = "/v1/stores/a%2Fb/name"

    def put(name: str | None) -> dict[str, int]:
        answer = service.put(path, json={"name": name}, params={"create": "true"})
        assert answer.status_code == 200, answer.json()
        assert service.get(f"/v1/imports/{answer.json()['import_id']}").json()["kind"] == "stores"
        return {key: count for key, count in answer.json()["counts"].items() if count}

    problem(service.put(path, json={"name": "x"}), 404, "store_not_found")
    assert put(" Main\u00a0Street\u200e ") == {"accepted": 1}
    assert held(database_url)["a/b"][0] == "Main Street"
    assert put("Main Street") == {"duplicate": 1}
    assert put("Side Street") == {"corrected": 1}
    for name in ("", " ", "a\nb", "a\u202eb", "x" * 256, "#N/A", "NULL", "-"):
        body = problem(service.put(path, json={"name": name}), 422, "invalid_request")
        assert "name" in body["detail"]
    assert put(None) == {"corrected": 1}
    assert put(None) == {"duplicate": 1}
    assert held(database_url)["a/b"][0] is None
    check_ledger(database_url)
