"""`POST /v1/imports`: every packing, every refusal, and nothing half-loaded."""

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.ids import new_id
from tests.integration.ingest.database import check_ledger, observations
from tests.integration.ingest.service import ended, ingest_service, problem

POLLS = (
    b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\nb,inactive,2024-09-02 00:00:00 UTC\n"
)
HOURS = b"store_id,day,start_time_local,end_time_local\na,0,10:00:00,22:00:00\n"
ZONES = b"store_id,timezone_str\na,America/Denver\n"
TABLE = {("a", "2024-09-02 00:00:00.000000"): True, ("b", "2024-09-02 00:00:00.000000"): False}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def service(database_url: str, spool: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, spool) as client:
        yield client


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.csv", data)
    return packed.getvalue()


def left_in(spool: Path) -> list[str]:
    return [entry.name for entry in spool.iterdir() if not entry.name.startswith(".")]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (POLLS, {"Content-Type": "text/csv"}),
        (POLLS, {}),
        (gzip.compress(POLLS), {"Content-Type": "application/gzip"}),
        (gzip.compress(POLLS), {"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
    ],
    ids=["csv", "no type", "gzip", "gzip by its coding"],
)
def test_a_file_in_any_packing(
    service: TestClient, database_url: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = service.post("/v1/imports?name=mine.csv", content=body, headers=headers)
    assert (answer.json()["source"], answer.json()["counts"]["rows_read"]) == ("mine.csv", 0)
    shown = ended(service, answer)
    assert (shown["state"], shown["kind"], shown["source"]) == ("succeeded", "polls", "mine.csv")
    assert shown["counts"] == {
        "rows_read": 2, "accepted": 2, "duplicate": 0, "corrected": 0, "rejected": 0
    }  # fmt: skip
    assert shown["quality"]
    assert len(shown["sha256"]) == 64
    assert observations(database_url) == TABLE
    check_ledger(database_url)


def test_an_archive_in_any_order(service: TestClient, database_url: str) -> None:
    body = zipped(polls=POLLS + b"c,open,2024-09-02 00:00:00 UTC\n", hours=HOURS, zones=ZONES)
    shown = ended(service, service.post("/v1/imports?name=all.zip", content=body))
    assert (shown["state"], shown["kind"]) == ("succeeded", "archive")
    assert shown["counts"]["accepted"] == 4
    assert shown["counts"]["rejected"] == 1
    members = {member["source"]: member for member in shown["members"]}
    assert {source: member["kind"] for source, member in members.items()} == {
        "all.zip/polls.csv": "polls", "all.zip/hours.csv": "hours", "all.zip/zones.csv": "timezones"
    }  # fmt: skip
    assert {member["parent_id"] for member in members.values()} == {shown["id"]}
    assert observations(database_url) == TABLE
    rejects = service.get(f"/v1/imports/{shown['id']}/rejects").text.splitlines()
    assert rejects[1:] == ['4,98,status,"c,open,2024-09-02 00:00:00 UTC",all.zip/polls.csv']
    (listed,) = service.get("/v1/imports").json()["imports"]
    assert listed["id"] == shown["id"]


def test_a_form_with_files(service: TestClient, database_url: str) -> None:
    one = service.post("/v1/imports", files={"file": ("polls.csv", gzip.compress(POLLS))})
    assert ended(service, one)["source"] == "polls.csv"
    files = [
        ("f", ("../../hours.csv", HOURS)),
        ("f", ("zones.csv", ZONES)),
        ("f", ("bad.csv", b"x,y\n1,2\n")),
    ]
    several = ended(service, service.post("/v1/imports?name=form", files=files))
    assert (several["kind"], several["state"], several["source"]) == ("archive", "failed", "form")
    assert {member["source"]: member["state"] for member in several["members"]} == {
        "../../hours.csv": "failed", "zones.csv": "failed", "bad.csv": "failed"
    }  # fmt: skip
    # Without the file that holds the others back:
    again = ended(service, service.post("/v1/imports?name=form", files=files[:2]))
    assert {member["source"]: member["state"] for member in again["members"]} == {
        "../../hours.csv": "succeeded", "zones.csv": "succeeded"
    }  # fmt: skip
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select timezone from store where store_id = 'a'").fetchall() == [
            ("America/Denver",)
        ]


def test_the_same_bytes_again_name_the_first(service: TestClient) -> None:
    first = ended(service, service.post("/v1/imports?name=a.csv", content=POLLS))
    again = ended(service, service.post("/v1/imports?name=b.csv", content=POLLS))
    assert (again["state"], again["same_as"]) == ("succeeded", first["id"])
    assert again["counts"]["rows_read"] == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_file"),
        (b"x,y\n1,2\n", "header"),
        (b"store_id;status,timestamp_utc\n", "header"),
        (POLLS.decode().encode("utf-16"), "encoding"),
        (b"PAR1 something", "magic"),
        (gzip.compress(POLLS)[:-12], "truncated"),
        (zipped(polls=POLLS)[:-30], "truncated"),
        (zipped(), "io"),
    ],
    ids=["empty", "header", "semicolons", "utf-16", "parquet", "cut gzip", "cut zip", "empty zip"],
)
def test_a_refused_file_has_a_reason(
    service: TestClient, database_url: str, body: bytes, reason: str
) -> None:
    shown = ended(service, service.post("/v1/imports", content=body))
    assert shown["state"] == "failed"
    assert shown["error"]["reason"] == reason
    assert shown["error"]["message"]
    check_ledger(database_url)


def test_rejects_are_data_not_formulas(service: TestClient) -> None:
    rows = [
        '=cmd|"/c calc"!A1,active,2024-09-02 00:00:00 UTC',
        "+1,open,2024-09-02 00:00:00 UTC",
        "a\0b,active,2024-09-02 00:00:00 UTC",
        *(f"{n},active,2024-09-02 00:00:00 UTC" for n in range(10)),
    ]
    body = "store_id,status,timestamp_utc\n" + "\n".join(rows)
    shown = ended(service, service.post("/v1/imports?name=-x", content=body.encode() + b"\na,activ\xff,x\n"))
    answer = service.get(f"/v1/imports/{shown['id']}/rejects")
    assert answer.headers["content-type"].startswith("text/csv")
    found = list(csv.reader(io.StringIO(answer.text)))
    assert found[0] == ["line", "byte_offset", "reason", "raw", "source"]
    assert [(row[0], row[2], row[3], row[4]) for row in found[1:]] == [
        ("2", "quoting", f"'{rows[0]}", "'-x"),
        ("3", "status", f"'{rows[1]}", "'-x"),
        ("4", "control_character", r"a\x00b,active,2024-09-02 00:00:00 UTC", "'-x"),
        ("15", "encoding", r"a,activ\xff,x", "'-x"),
    ]


@pytest.mark.parametrize("name", ["a\x00b", "\n", "a\x7f"])
def test_a_name_holds_no_control_characters(service: TestClient, name: str) -> None:
    by_query = service.post("/v1/imports", params={"name": name}, content=POLLS)
    form = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    by_form = service.post("/v1/imports", headers=kind, content=form.encode() + POLLS + b"\r\n--x--\r\n")
    assert (by_query.status_code, by_form.status_code) == (422, 422)
    assert by_query.json()["errors"][0]["field"] == "query.name"
    assert service.get("/v1/imports").json()["imports"] == []


def test_pages_are_newest_first_and_complete(service: TestClient) -> None:
    made = [service.post(f"/v1/imports?name={n}", content=POLLS).json()["id"] for n in range(7)]
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = service.get(
            "/v1/imports", params={"limit": 3, **({"cursor": cursor} if cursor else {})}
        ).json()
        found += [shown["id"] for shown in page["imports"]]
        cursor, pages = page["next"], pages + 1
    assert (found, pages) == (made[::-1], 3)
    for nonsense in ("x", "AAAA", "A" * 32, "é", "____" * 8):
        problem(service.get("/v1/imports", params={"cursor": nonsense}), 422, "invalid_request")
    problem(service.get("/v1/imports?limit=0"), 422, "invalid_request")


def test_invalid_uploads_are_refused(database_url: str, spool: Path) -> None:
    with ingest_service(database_url, spool, max_upload_bytes=1000) as service:

        def post(content: object, **headers: str) -> object:
            return service.post("/v1/imports", content=content, headers=headers)  # type: ignore[arg-type]

        problem(post(POLLS, **{"Content-Type": "application/json"}), 415, "unsupported_media_type")
        problem(post(POLLS, **{"Content-Encoding": "br"}), 415, "unsupported_media_type")
        problem(post(b"x" * 1001), 413, "body_too_large")
        problem(post(iter([b"x" * 600, b"y" * 600])), 413, "body_too_large")
        form = "multipart/form-data"
        problem(post(b"", **{"Content-Type": form}), 422, "invalid_request")
        problem(post(b"nonsense", **{"Content-Type": f"{form}; boundary=b"}), 422, "invalid_request")
        cut = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\n\r\n' + POLLS
        problem(post(cut, **{"Content-Type": f"{form}; boundary=b"}), 422, "invalid_request")
        problem(service.post("/v1/imports", data={"a": "b"}, files={}), 415, "unsupported_media_type")
        text = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nhello\r\n--b--\r\n'
        problem(post(text, **{"Content-Type": f"{form}; boundary=b"}), 422, "invalid_request")
        problem(service.post("/v1/imports?name=" + "x" * 256, content=POLLS), 422, "invalid_request")
        assert service.get("/v1/imports").json() == {"imports": [], "next": None}
        assert left_in(spool) == []


def test_unknown_and_malformed_ids(service: TestClient) -> None:
    for import_id in (new_id(), "1", "..%5C..", "%00"):
        problem(service.get(f"/v1/imports/{import_id}"), 404, "import_not_found")
        problem(service.get(f"/v1/imports/{import_id}/rejects"), 404, "import_not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/imports"),
        ("GET", "/v1/imports"),
        ("GET", "/v1/imports/00000000-0000-7000-8000-000000000000"),
        ("GET", "/v1/imports/00000000-0000-7000-8000-000000000000/rejects"),
        ("DELETE", "/v1/imports/00000000-0000-7000-8000-000000000000"),
        ("POST", "/v1/observations"),
        ("PUT", "/v1/stores/a/hours"),
        ("PUT", "/v1/stores/a/timezone"),
    ],
)
def test_every_call_needs_its_scope(database_url: str, spool: Path, method: str, path: str) -> None:
    with ingest_service(database_url, spool, scopes=("reports:read", "reports:write")) as service:
        problem(service.request(method, path), 403, "forbidden")
        del service.headers["Authorization"]
        problem(service.request(method, path), 401, "unauthenticated")
        assert service.get("/livez").status_code == service.get("/readyz").status_code == 200
