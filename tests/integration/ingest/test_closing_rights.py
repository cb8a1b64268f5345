"""A file of closures needs the scopes that calls need, whatever way it takes over HTTP. The command needs none."""

import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ingest.run import ingest_paths
from tests.integration.ingest.service import ended, ingest_service

_HEADER = "store_id,starts_at,ends_at,treatment,reason,note"
_OF_ONE = f"{_HEADER}\na,2024-11-01T00:00:00Z,2024-11-02T00:00:00Z,as_up,other,x\n".encode()
_OF_ALL = (
    f"{_HEADER}\na,2024-11-03T00:00:00Z,,exclude,other,x\nb,soon,,exclude,,\n"
    "*,2024-11-01T00:00:00Z,2024-11-02T00:00:00Z,as_up,other,x\n"
).encode()
_ZONES = b"store_id,timezone_str\na,UTC\nb,UTC\n"


def _zip(*contents: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}.csv", content)
    return packed.getvalue()


def _form(content: bytes) -> Mapping[str, Any]:
    return {"files": [("file", ("zones.csv", _ZONES)), ("file", ("closures.csv", content))]}


@pytest.mark.parametrize(
    ("scopes", "content", "lacking"),
    [
        (["ingest:write"], _OF_ONE, "closures:write"),
        (["ingest:write"], _OF_ALL, "closures:write"),
        (["ingest:write", "closures:write"], _OF_ALL, "admin"),
        (["ingest:write", "closures:write"], _OF_ONE, None),
        (["admin"], _OF_ALL, None),
    ],
)
def test_a_file_needs_the_scopes_of_calls(
    database_url: str, tmp_path: Path, scopes: Sequence[str], content: bytes, lacking: str | None
) -> None:
    sent: list[Mapping[str, Any]] = [
        {"content": content},
        {"content": gzip.compress(content)},
        {"content": _zip(_ZONES, content)},
        _form(content),
    ]
    with ingest_service(database_url, tmp_path / "spool", scopes=tuple(scopes), reject_limit=0.5) as service:
        for body in sent:
            tried = service.post("/v1/imports", params={"dry_run": "true"}, **body)
            assert tried.status_code == 200, tried.text
            assert _lacks([one["error"] or "" for one in tried.json()["files"]]) == lacking
            shown = ended(service, service.post("/v1/imports", **body))
            parts = shown["members"] or [shown]
            assert _lacks([one["error"]["message"] if one["error"] else "" for one in parts]) == lacking
            assert (shown["state"] == "succeeded") == (lacking is None)
    assert _count_closures(database_url) == (0 if lacking else content.count(b",other,"))


def test_the_rows_above_are_checked_and_listed(database_url: str, tmp_path: Path) -> None:
    with ingest_service(database_url, tmp_path, scopes=("ingest:write", "closures:write")) as service:
        shown = ended(service, service.post("/v1/imports", content=_OF_ALL))
        assert shown["counts"]["rejected"] == 1
        assert "starts_at" in service.get(f"/v1/imports/{shown['id']}/rejects").text


def test_the_operators_command_needs_no_scope(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "closures.csv"
    file.write_bytes(_OF_ALL.replace(b"b,soon,,exclude,,\n", b""))
    (done,) = ingest_paths(database_url, [str(file)])
    assert done.state == "succeeded"
    assert _count_closures(database_url) == 2


def _lacks(messages: Sequence[str]) -> str | None:
    """Return the scope that a refusal of closures names."""
    for message in messages:
        if "it declares" in message:
            return "closures:write" if "closures:write" in message else "admin"
    return None


def _count_closures(database_url: str) -> int:
    with psycopg.connect(database_url) as conn:
        ((count,),) = conn.execute("select count(*) from closure where until_seq is null").fetchall()
    return int(count)
