"""The stores of the soak, the rules that watch them, and the polls that are sent about them."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from tests.chaos.soak.journal import Journal
from uptill_client import Poll, UptillClient

ALONE = tuple(f"alone-{number}" for number in range(6))
GROUPS = ("north", "south")
GROUPED = {f"{region}-{number}": region for region in GROUPS for number in range(4)}
STORES = (*ALONE, *GROUPED)
_AT_ONCE = {"guard_after_opening_minutes": 0, "guard_before_closing_minutes": 0}
_PAUSE_S = 0.2
_WITHIN_S = 240.0


def set_up(client: UptillClient, hook_url: str) -> None:
    """Poll every store once, and set labels, the channel and the rules: stores alone, and groups that suppress their members."""
    now = datetime.now(UTC)
    client.send_polls(Poll(store, active=True, observed_at=now) for store in STORES)
    for store in STORES:
        client.set_labels(store, {"region": GROUPED[store]} if store in GROUPED else {"alone": "yes"})
    client.set_channel("hook", "webhook", url=hook_url, per_minute=600)
    told = {"channels": ["hook"]}
    client.set_alert_rule(
        "alone",
        "store_down",
        labels={"alone": "yes"},
        parameters={"inactive_polls": 2, **_AT_ONCE},
        hold_open_minutes=0,
        delivery=told,
    )
    client.set_alert_rule(
        "member",
        "store_down",
        parameters={"inactive_polls": 3, **_AT_ONCE},
        hold_open_minutes=0,
        delivery=told,
    )
    client.set_alert_rule(
        "region", "group_down", parameters={"by": "region", "at_least": 3}, hold_open_minutes=0, delivery=told
    )


class PollSender:
    """Sends polls until they are acknowledged, however often the service dies, and writes them down."""

    def __init__(self, settings: Mapping[str, str], journal: Path) -> None:
        self._journal = Journal(journal)
        self._http = httpx2.Client(
            base_url=settings["UPTILL_INGEST_URL"],
            headers={"Authorization": f"Bearer {settings['UPTILL_API_KEY']}"},
            timeout=20,
        )

    def send(self, polls: Iterable[tuple[str, datetime, bool]]) -> None:
        """Send one call. Its polls take effect in the order of the calls, because the next one waits for this one."""
        body = [
            {"store_id": store, "observed_at": at.isoformat(), "status": "active" if active else "inactive"}
            for store, at, active in polls
        ]
        until_s = time.monotonic() + _WITHIN_S
        while not self._is_accepted(body):
            if time.monotonic() > until_s:
                raise TimeoutError("the ingest service took no polls")
            time.sleep(_PAUSE_S)
        self._journal.write("polls", polls=body)

    def _is_accepted(self, body: list[dict[str, str]]) -> bool:
        try:
            answer = self._http.post("/v1/observations", json={"observations": body})
        except httpx2.HTTPError:
            return False
        if answer.status_code not in {200, 429, 503}:
            raise ValueError(f"polls were answered {answer.status_code}: {answer.text}")
        return bool(answer.status_code == httpx2.codes.OK)
