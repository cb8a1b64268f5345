"""Closures, calendars, labels, lifetimes and dated hours that change over HTTP while reports run.

Each call is written down before it is sent, and sent again until it is answered: the same call twice changes nothing.
"""

import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2

from shared.settings import load_settings
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal

EVERY_STORE = "*"
# Around the instants of the polls and of the reports.
FIRST = datetime(2024, 10, 10, tzinfo=UTC)
DAYS = 9
_TREATMENTS = ("exclude", "exclude", "as_up", "ignore")
_CALENDARS = ("fairs", "holidays")
_REGIONS = ("north", "south")
_TIMEOUT_S = 30.0


class ChangeCalls(Thread):
    """One call after the other."""

    def __init__(self, directory: Path, seed: str, stores: Sequence[str], journal: Journal) -> None:
        super().__init__()
        self._draw = random.Random(f"{seed}/changes")
        self._ending, self._journal, self._stores = Ending(directory), journal, stores
        settings = load_settings()
        self._http = httpx2.Client(
            base_url=settings.ingest_url,
            headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
            timeout=_TIMEOUT_S,
        )
        self._calls = 0
        self._ids: dict[str, str] = {}  # of the closures that hold, by our own name
        self._calendars: set[str] = set()
        self._dated: set[tuple[str, str]] = set()

    def run(self) -> None:
        while not self._ending.has_come():
            self._calls += 1
            acts = {self._declare: 3, self._put_calendar: 1, self._label: 3, self._set_lifetime: 2}
            acts |= {self._date_hours: 2, **({self._remove_hours: 1} if self._dated else {})}
            acts |= {self._change: 2, self._withdraw: 2} if self._ids else {}
            acts |= {self._remove_calendar: 1} if self._calendars else {}
            self._draw.choices([*acts], [*acts.values()])[0]()
            time.sleep(self._draw.uniform(0.1, 1.5))

    def _declare(self) -> None:
        name = f"closure-{self._calls}"
        store_id = EVERY_STORE if self._draw.random() < 0.1 else self._draw.choice(self._stores)
        target = {"labels": self._region()} if self._draw.random() < 0.3 else {"store_id": store_id}
        answer = self._send("POST", "/v1/closures", {"closure": name}, {**target, **self._terms(name)})
        if answer is not None and answer.status_code == httpx2.codes.CREATED:
            self._ids[name] = answer.json()["id"]

    def _change(self) -> None:
        name = self._draw.choice(sorted(self._ids))
        self._send("PATCH", f"/v1/closures/{self._ids[name]}", {"closure": name}, self._terms(name))

    def _withdraw(self) -> None:
        name = self._draw.choice(sorted(self._ids))
        self._send("DELETE", f"/v1/closures/{self._ids.pop(name)}", {"withdrawn": name}, None)

    def _put_calendar(self) -> None:
        name = self._draw.choice(_CALENDARS)
        days = {
            str(FIRST.date() + timedelta(days=day)): self._intervals()
            for day in self._draw.sample(range(DAYS), 3)
        }
        body = {
            "labels": {} if self._draw.random() < 0.3 else self._region(),
            "dates": [
                {"date": day, "intervals": [{"start_time_local": clock(opens), "end_time_local": clock(closes)} for opens, closes in rows]}
                for day, rows in days.items()
            ],
        }  # fmt: skip
        answer = self._send("PUT", f"/v1/calendars/{name}", {"calendar": name, "dates": days}, body)
        if answer is not None and answer.is_success:
            self._calendars.add(name)

    def _remove_calendar(self) -> None:
        name = self._draw.choice(sorted(self._calendars))
        self._calendars.discard(name)
        self._send("DELETE", f"/v1/calendars/{name}", {"removed": name}, None)

    def _label(self) -> None:
        store_id = self._draw.choice(self._stores)
        labels = {**self._region(), "call": str(self._calls)}
        self._send("PUT", f"/v1/stores/{store_id}/labels", {"store": store_id}, {"labels": labels})

    def _set_lifetime(self) -> None:
        """Always existing as often as not; no other call has the microsecond."""
        store_id, days = (
            self._draw.choice(self._stores),
            sorted(self._draw.uniform(0, DAYS) for _ in range(2)),
        )
        opened_at, closed_at = (
            (FIRST + timedelta(days=day)).replace(microsecond=self._calls).isoformat() for day in days
        )
        long_ago = FIRST.replace(year=2020, microsecond=self._calls).isoformat()
        lifetimes = [(long_ago, None), (opened_at, None), (None, closed_at), (opened_at, closed_at)]
        ((first, last),) = self._draw.choices(lifetimes, [3, 1, 1, 1])
        body = {"opened_at": first, "closed_at": last}
        self._send("PUT", f"/v1/stores/{store_id}/lifetime", {"store": store_id}, body)

    def _date_hours(self) -> None:
        """Of one store from a date on; now and then open around the clock."""
        store_id, day = self._draw.choice(self._stores), self._day()
        rows = [(weekday, *row) for weekday in self._draw.sample(range(7), 4) for row in self._intervals()]
        body = {
            "hours": [
                {"day_of_week": weekday, "start_time_local": clock(opens), "end_time_local": clock(closes)}
                for weekday, opens, closes in rows
            ]
        }
        told = {"store": store_id, "dated": day, "rows": sorted(rows)}
        self._send("PUT", f"/v1/stores/{store_id}/hours?effective_from={day}", told, body)
        self._dated.add((store_id, day))

    def _remove_hours(self) -> None:
        store_id, day = self._draw.choice(sorted(self._dated))
        self._dated.discard((store_id, day))
        told = {"store": store_id, "undated": day}
        self._send("DELETE", f"/v1/stores/{store_id}/hours?effective_from={day}", told, None)

    def _day(self) -> str:
        return str(FIRST.date() + timedelta(days=self._draw.randrange(DAYS)))

    def _region(self) -> dict[str, str]:
        return {"region": self._draw.choice(_REGIONS)}

    def _terms(self, name: str) -> dict[str, str | None]:
        """Of a closure; no other call has its start, and its note tells which call it was."""
        starts_at = FIRST + DAYS * timedelta(days=self._draw.random())
        starts_at = starts_at.replace(microsecond=self._calls)
        ends_at = starts_at + timedelta(hours=self._draw.choice([0.5, 3, 11, 50]))
        return {
            "starts_at": starts_at.isoformat(),
            "ends_at": None if self._draw.random() < 0.05 else ends_at.isoformat(),
            "treatment": self._draw.choice(_TREATMENTS),
            "note": f"{name} call-{self._calls}",
        }

    def _intervals(self) -> list[tuple[int, int]]:
        hours = sorted(self._draw.sample(range(24), self._draw.choice([0, 2])))
        return [(hours[0] * 3600, hours[1] * 3600)] if hours else []

    def _send(
        self, method: str, path: str, told: Mapping[str, Any], body: Mapping[str, Any] | None
    ) -> httpx2.Response | None:
        """Send the call until it is answered, or the soak ends."""
        self._journal.write("changing", call=self._calls, method=method, **told, body=body)
        while not self._ending.has_come():
            try:
                answer = self._http.request(method, path, json=body)
            except httpx2.HTTPError as error:
                self._journal.write("change_lost", call=self._calls, error=type(error).__name__)
                time.sleep(0.3)
                continue
            self._journal.write("change_answered", call=self._calls, method=method, status=answer.status_code)
            if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
                return answer
            time.sleep(0.3)
        return None


def clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"
