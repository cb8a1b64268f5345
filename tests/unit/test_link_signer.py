"""A link is reused while at least half of its time is left."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from services.api import download_links
from services.api.download_links import LinkSigner
from shared.reports.model import FileOfReport
from shared.settings import Settings
from shared.storage import make_storage

VALID_S = 900
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock(datetime):
    """The time the signer sees; the signature has the real time."""

    shown = BEGAN

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        del tz
        return cls.shown


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> LinkSigner:
    monkeypatch.setattr(download_links, "datetime", Clock)
    monkeypatch.setattr(Clock, "shown", BEGAN)
    settings = Settings(
        s3_endpoint="http://127.0.0.1:1", s3_bucket="reports", s3_access_key="key", s3_secret_key="secret"
    )
    return LinkSigner(make_storage(settings), VALID_S)


def file(name: str) -> FileOfReport:
    return FileOfReport(format="csv", object=name, size_bytes=1, sha256="", rows=1)


def test_a_link_is_reused_until_half_of_its_time_is_left(
    signer: LinkSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = signer.get_link(file("a.csv"))
    assert first.expires_at == BEGAN + timedelta(seconds=VALID_S)
    assert parse_qs(urlsplit(first.url).query)["X-Amz-Expires"] == [str(VALID_S)]
    monkeypatch.setattr(Clock, "shown", BEGAN + timedelta(seconds=VALID_S / 2))
    assert signer.get_link(file("a.csv")) is first
    monkeypatch.setattr(Clock, "shown", BEGAN + timedelta(seconds=VALID_S / 2 + 1))
    assert signer.get_link(file("a.csv")).expires_at == Clock.shown + timedelta(seconds=VALID_S)


def test_each_file_has_its_own_link(signer: LinkSigner) -> None:
    assert urlsplit(signer.get_link(file("a.csv")).url).path == "/reports/a.csv"
    assert urlsplit(signer.get_link(file("b.csv")).url).path == "/reports/b.csv"


def test_the_cache_of_links_is_bounded(signer: LinkSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_links, "MAX_SIGNED", 2)
    links = [signer.get_link(file(f"{name}.csv")) for name in "abc"]
    assert signer.get_link(file("c.csv")) is links[2]
    assert signer.get_link(file("a.csv")) is not links[0]
