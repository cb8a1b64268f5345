"""Links to the files of reports: signed once and given out for the first half of their time."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.reports.model import CONTENT_TYPES, FileOfReport, file_name
from shared.storage import Storage

MOST_REMEMBERED = 10_000  # what is forgotten is signed again


@dataclass(frozen=True)
class Link:
    """What opens a file, without an API key, until `expires_at`."""

    url: str
    expires_at: datetime


class LinkSigner:
    """The links of one process, each valid for `valid_s` seconds. To sign one costs half as much as to read its report."""

    def __init__(self, storage: Storage, valid_s: int) -> None:
        self._storage = storage
        self._valid_s = valid_s
        self._signed: OrderedDict[str, Link] = OrderedDict()

    def link(self, file: FileOfReport) -> Link:
        """A link with at least half of its time left. Raises `ConfigurationError` without S3 credentials."""
        now = datetime.now(UTC)
        known = self._signed.get(file.object)
        if known is None or (known.expires_at - now).total_seconds() < self._valid_s / 2:
            known = self._sign(file, now)
            self._signed.pop(file.object, None)
            self._signed[file.object] = known
            if len(self._signed) > MOST_REMEMBERED:
                self._signed.popitem(last=False)
        return known

    def _sign(self, file: FileOfReport, now: datetime) -> Link:
        url = self._storage.presign(
            file.object,
            file_name=file_name(file.format),
            content_type=CONTENT_TYPES[file.format],
            expires_s=self._valid_s,
        )
        return Link(url, now + timedelta(seconds=self._valid_s))
