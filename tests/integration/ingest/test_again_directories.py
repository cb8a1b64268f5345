"""A store directory and files or calls of other kinds: loaded again exactly if one could have changed what the other says."""

from pathlib import Path

import psycopg
import pytest

from services.ingest.run import ingest_paths, plan_paths
from tests.integration.ingest.service import ingest_service

FILES = {
    "zones": "store_id,timezone_str\na,Asia/Tokyo\n",
    "lifetimes": "store_id,opened_at,closed_at\na,2024-01-01T00:00:00Z,\n",
    "hours": "store_id,day,start_time_local,end_time_local\na,0,01:00,02:00\n",
    "names": "store_id,name\na,A\n",
    "labels": "store_id,name,region\na,A,north\n",
    "names and zones": "store_id,name,timezone\na,A,Asia/Seoul\n",
    "names and openings": "store_id,name,opened_at\na,A,2024-02-01T00:00:00Z\n",
    "names and closings": "store_id,name,closed_at\na,A,2025-02-01T00:00:00Z\n",
}
DIRECTORIES = {name for name in FILES if "name" in FILES[name]}
SHARED = [
    DIRECTORIES,
    {"zones", "names and zones"},
    {"lifetimes", "names and openings"},
    {"lifetimes", "names and closings"},
]
CALLS = {
    "name": ("put", "/v1/stores/a/name", {"name": "B"}, DIRECTORIES),
    "timezone": ("put", "/v1/stores/a/timezone", {"timezone": "UTC"}, {"zones", "names and zones"}),
    "labels": ("put", "/v1/stores/a/labels", {"labels": {"region": "south"}}, {"labels"}),
    "hours": ("put", "/v1/stores/a/hours", {"hours": []}, {"hours"}),
    "lifetime": (
        "put", "/v1/stores/a/lifetime", {"opened_at": None, "closed_at": None},
        {"lifetimes", "names and openings", "names and closings"},
    ),
}  # fmt: skip


def load(database_url: str, file: Path, text: str) -> bool:
    """Return whether the file was skipped, as a dry run had said."""
    file.write_text(text)
    (planned,) = plan_paths(database_url, [str(file)])
    (result,) = ingest_paths(database_url, [str(file)])
    assert (result.state, planned.same_as) == ("succeeded", result.same_as)
    return result.same_as is not None


@pytest.mark.parametrize("other", FILES)
@pytest.mark.parametrize("one", FILES)
def test_a_file_is_loaded_again_if_the_other_file_could_change_what_it_says(
    database_url: str, tmp_path: Path, one: str, other: str
) -> None:
    is_shared = one != other and any({one, other} <= kinds for kinds in SHARED)
    assert not load(database_url, tmp_path / "1.csv", FILES[one])
    load(database_url, tmp_path / "2.csv", FILES[other])
    assert load(database_url, tmp_path / "3.csv", FILES[one]) == (not is_shared)
    assert load(database_url, tmp_path / "4.csv", FILES[one]), "nothing came in between"


@pytest.mark.parametrize("call", CALLS)
def test_a_file_is_loaded_again_if_a_call_could_change_what_it_says(
    database_url: str, tmp_path: Path, call: str
) -> None:
    method, path, body, contradicted = CALLS[call]
    for name, text in FILES.items():
        load(database_url, tmp_path / "1.csv", text)
        with ingest_service(database_url, tmp_path / "spool") as service:
            answer = service.request(method, path, json=body)
            assert answer.status_code == 200, answer.json()
        assert load(database_url, tmp_path / "2.csv", text) == (name not in contradicted), name


def test_a_directory_of_an_earlier_release_may_have_any_column(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "1.csv", FILES["zones"])
    load(database_url, tmp_path / "2.csv", FILES["names"])
    with psycopg.connect(database_url) as conn:
        conn.execute("update import set quality = quality - 'directory_columns'")
    assert not load(database_url, tmp_path / "3.csv", FILES["zones"])
    assert not load(database_url, tmp_path / "4.csv", FILES["names"])
