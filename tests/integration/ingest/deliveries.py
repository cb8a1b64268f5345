"""Files that arrive together as one delivery, and the hours that they leave."""

import io
import zipfile
from collections.abc import Callable, Mapping

import psycopg
from fastapi.testclient import TestClient

from services.ingest.quality_warnings import list_warnings
from tests.integration.ingest.service import ended

HEADER = "store_id,day_of_week,start_time_local,end_time_local"
Files = Mapping[str, str]
Deliver = Callable[[Files], tuple[str, list[str]]]  # what was told, and the warnings


def week(store: str, *days: int | str, opens: str = "09:00", closes: str = "21:00") -> list[str]:
    return [f"{store},{day},{opens},{closes}" for day in days]


def table(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def days(database_url: str, store: str) -> list[int]:
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select day_of_week from business_hours join store using (store_key) where store_id = %s order by 1",
            [store],
        )
        return [day for (day,) in rows]


def pack(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def by_http(client: TestClient, files: Files, *, as_form: bool) -> tuple[str, list[str]]:
    if as_form:
        parts = [("file", (name, text, "text/csv")) for name, text in files.items()]
        body = ended(client, client.post("/v1/imports", files=parts))
    else:
        sent = client.post("/v1/imports", content=pack(files), headers={"Content-Type": "application/zip"})
        body = ended(client, sent)
    return str(body), list(list_warnings(body["quality"] or {}))
