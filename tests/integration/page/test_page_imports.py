"""Imports on the page: uploads are passed on to the ingest service with the rights of the session, and bad rows are found."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from services.api.web.form_words import form_words
from services.local.ports import HOST, free_ports
from shared.row_reasons import ROW_REASONS
from tests.fixtures.page import form_token, sign_in
from tests.fixtures.services import Services, wait_until
from tests.integration.page.conftest import OpenBrowser
from uptill_client import UptillClient

GOOD = "store_id,status,timestamp_utc\n" + "".join(
    f"{n:04},active,2024-10-14 {n % 24:02}:00:00 UTC\n" for n in range(100)
)
BAD = (
    GOOD
    + "0007,asleep,2024-10-14 01:00:00 UTC\n<b>x</b>,active,yesterday\n0008,asleep,2024-10-14 02:00:00 UTC\n"
)

_FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}


def send(
    browser: httpx2.Client, *files: tuple[str, str | bytes], path: str = "/imports", **fields: str
) -> Any:
    """Send the form as a browser does: the token first."""
    token = form_token(browser.get("/imports").text)
    parts = [("file", (name, content)) for name, content in files]
    return browser.post(path, data={"form_token": token, **fields}, files=parts)


def ended(browser: httpx2.Client, answer: Any) -> str:
    """Follow an upload and return its page once the import has ended."""
    assert answer.status_code == 303, answer.text
    path = urlsplit(answer.headers["location"]).path.removeprefix(".")
    wait_until(lambda: 'hx-trigger="every 1s"' not in browser.get(path).text, "the end of the import")
    return browser.get(path).text


def count_polls(services: Services) -> int:
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        return int(conn.execute("select count(*) from observation").fetchall()[0][0])


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def test_a_bad_file_shows_its_bad_lines_and_what_to_write(browser: httpx2.Client, services: Services) -> None:
    page = ended(browser, send(browser, ("<img src=x>.csv", BAD)))
    words = text_of(page)
    assert "counted 103 accepted 100" in words
    assert "rejected 3" in words
    assert "status 2 rows" in words
    assert form_words(ROW_REASONS["status"])[1:] in words
    assert "map other words with “Words for the status” online=active" in words
    assert "102 0007,asleep,2024-10-14 01:00:00 UTC" in words
    assert "<b>x" not in page
    assert "<img" not in page
    assert "&lt;img src=x&gt;.csv" in browser.get("/imports").text
    assert "100 polled" in words
    assert count_polls(services) == 100
    found = re.search(r'href="([^"]*rejects\.csv)"', page)
    assert found is not None
    lines = list(csv.reader(io.StringIO(browser.get("/imports/" + found[1].partition("imports/")[2]).text)))
    assert [line[0] for line in lines] == ["line", "102", "103", "104"]


def test_a_dry_run_shows_what_would_change_and_keeps_nothing(
    browser: httpx2.Client, services: Services
) -> None:
    answer = send(browser, ("polls.csv", BAD), path="/imports?dry_run=true")
    assert answer.status_code == 200
    words = text_of(answer.text)
    assert "nothing was changed" in words
    assert "accepted 100" in words
    assert "100 stores, 100 of them new" in words
    assert "0007,asleep" in words
    assert count_polls(services) == 0
    assert "No import yet" in browser.get("/imports").text
    again = text_of(
        send(
            browser,
            ("hours.csv", "store_id,dayOfWeek,start_time_local,end_time_local\nnew,9,x,y\n"),
            path="/imports?dry_run=true",
        ).text
    )
    assert "of them new" not in again
    ended(browser, send(browser, ("polls.csv", BAD)))
    again = send(browser, ("polls.csv", BAD), path="/imports?dry_run=true").text
    assert "Nothing would be loaded. The same bytes were loaded before: that import" in text_of(again)


def test_rejected_items_of_a_hook_say_what_to_change_in_its_mapping(
    browser: httpx2.Client, services: Services
) -> None:
    mapping = {"store_id": "/s", "observed_at": "/t", "status": "/x"}
    signature, token = {"scheme": "token", "header": "X-Token"}, "a-token-that-is-long-enough"
    own = services.settings
    with UptillClient(
        own["UPTILL_API_URL"], own["UPTILL_API_KEY"], ingest_url=own["UPTILL_INGEST_URL"]
    ) as client:
        client.put_hook("till", {"mapping": mapping, "signature": signature, "secret": token})
        httpx2.post(
            f"{own['UPTILL_INGEST_URL']}/v1/hooks/till",
            json={"s": "a", "t": "2024-10-14T18:00:00Z", "x": "OFFLINE"},
            headers={"X-Token": token},
        ).raise_for_status()
        (found,) = client.imports()
    page = browser.get(f"/imports/{found.id}").text
    text = text_of(page)
    assert "is a word that the mapping does not know; add the word to statuses" in text
    assert "upload form" not in text
    assert "--status" not in text
    assert '<th scope="col">Hook</th>' in page
    assert "<td><bdi>till version 1</bdi></td>" in page


def test_several_files_options_and_a_field_without_a_file(browser: httpx2.Client, services: Services) -> None:
    odd = GOOD.replace("active", "online").replace(" UTC", "")
    parts = {
        'name="form_token"': form_token(browser.get("/imports").text),
        'name="file"; filename="polls.csv"': odd,
        'name="file"; filename="zones.csv"': "store_id,timezone_str\n0001,Europe/Berlin\n",
        'name="folder"; filename=""\r\nContent-Type: application/octet-stream': "",
        'name="status"': "online=active,gone=inactive",
        'name="date_format"': "",
        'name="effective_from"': "",
        'name="assume_utc"': "true",
    }
    words = text_of(ended(browser, browser.post("/imports", content=_multipart(parts), headers=_FORM)))
    assert "succeeded archive" in words
    assert "zones.csv timezones succeeded 1 0" in words
    assert "100 timestamps without a time zone were read as UTC" in words
    assert count_polls(services) == 100


@pytest.mark.parametrize("name", ["", "a\u202egpj.csv", "x" * 300 + ".csv"])
def test_what_the_ingest_service_refuses_is_said(
    browser: httpx2.Client, services: Services, name: str
) -> None:
    content = "" if not name else GOOD
    answer = send(browser, (name, content))
    assert answer.status_code == 422
    assert "<h1>" in answer.text
    assert "\u202e" not in answer.text
    assert count_polls(services) == 0


def test_a_form_of_another_site_uploads_nothing(browser: httpx2.Client, services: Services) -> None:
    token = form_token(browser.get("/imports").text)
    files = [("file", ("polls.csv", GOOD))]
    tries: list[tuple[dict[str, str], dict[str, str], int]] = [
        ({"form_token": "0" * 64}, {}, 403),
        ({"other": token}, {}, 403),
        ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {}, 422),
    ]
    for fields, headers, status in tries:
        assert browser.post("/imports", data=fields, files=files, headers=headers).status_code == status
    assert browser.post("/imports", data={"form_token": token}).status_code == 415
    assert (
        browser.post(
            "/imports", content=b"", headers={"Content-Type": "multipart/form-data; boundary=x"}
        ).status_code
        == 422
    )
    assert count_polls(services) == 0
    assert "No import yet" in browser.get("/imports").text


def test_the_scope_of_the_key_holds(open_browser: OpenBrowser, services: Services) -> None:
    reader = open_browser(["reports:read"])
    assert "Imports" not in reader.get("/stores").text
    assert reader.get("/imports").status_code == 403
    token = form_token(reader.get("/stores").text)
    answer = reader.post("/imports", data={"form_token": token}, files=[("file", ("polls.csv", GOOD))])
    assert answer.status_code == 403
    assert count_polls(services) == 0


def test_the_ingest_service_takes_a_live_session_only_and_the_api_none(
    browser: httpx2.Client, services: Services
) -> None:
    token = browser.cookies["uptill_session"]
    ingest, api = services.settings["UPTILL_INGEST_URL"], services.settings["UPTILL_API_URL"]
    with_session = {"Authorization": f"Uptill-Session {token}"}
    assert httpx2.get(f"{ingest}/v1/imports", headers=with_session).status_code == 200
    assert httpx2.get(f"{api}/v1/stores", headers=with_session).status_code == 401
    assert httpx2.get(f"{ingest}/v1/calendars", headers=with_session).status_code == 403
    assert (
        httpx2.get(f"{ingest}/v1/imports", headers={"Cookie": f"uptill_session={token}"}).status_code == 401
    )
    browser.post("/sign-out", data={"form_token": form_token(browser.get("/stores").text)})
    assert httpx2.get(f"{ingest}/v1/imports", headers=with_session).status_code == 401


def test_an_upload_may_be_longer_than_what_the_api_holds(browser: httpx2.Client) -> None:
    """The API's limit for bodies is far below this upload, and the ingest service's limit is what refuses a longer one."""
    long = GOOD + "".join(f"{n:06},active,2024-10-14 05:00:00 UTC\n" for n in range(180_000))
    assert len(long) > 6 << 20
    words = text_of(ended(browser, send(browser, ("polls.csv", long))))
    assert "accepted 180,100" in words
    longer = send(browser, ("polls.csv", long + long))
    assert longer.status_code == 413
    parts = {
        'name="form_token"': form_token(browser.get("/imports").text),
        'name="file"; filename="p.csv"': GOOD.replace("-14", "-15"),
    }
    answer = browser.post("/imports", content=_multipart(parts), headers=_FORM)
    assert "accepted 100" in text_of(ended(browser, answer))


def _multipart(parts: Mapping[str, str]) -> Iterator[bytes]:
    """A form in blocks that begin and end anywhere, without a length."""
    fields = (
        f"--xyz\r\nContent-Disposition: form-data; {header}\r\n\r\n{content}\r\n"
        for header, content in parts.items()
    )
    whole = ("".join(fields) + "--xyz--\r\n").encode()
    for at in range(0, len(whole), 97):
        yield whole[at : at + 97]


def test_an_import_that_has_ended_or_does_not_exist(browser: httpx2.Client) -> None:
    ended(browser, send(browser, ("polls.csv", GOOD)))
    (path,) = re.findall(r'href="\./(imports/[0-9a-f-]{36})"', browser.get("/imports").text)
    token = form_token(browser.get(f"/{path}").text)
    answer = browser.post(f"/{path}/cancel", data={"form_token": token})
    assert answer.status_code == 409
    assert browser.get("/imports/00000000-0000-0000-0000-000000000000").status_code == 404
    assert browser.get("/imports/nonsense").status_code == 404
    assert browser.get("/imports?cursor=nonsense").status_code == 422


def test_without_the_ingest_service_the_page_says_so(env: dict[str, str], tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with Services({**env, "UPTILL_INGEST_URL": f"http://{HOST}:{port}"}, tmp_path) as services:
        services.api()
        with httpx2.Client(base_url=env["UPTILL_API_URL"], headers={"Accept": "text/html"}) as browser:
            sign_in(browser, env["UPTILL_API_KEY"])
            answer = browser.get("/imports")
    assert answer.status_code == 503
    assert "the ingest service did not answer" in answer.text
    assert str(port) not in answer.text
