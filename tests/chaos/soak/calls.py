"""Live polls: calls of `POST /v1/observations`, and calls of a hook, each with instants that no other call has."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import httpx2
from standardwebhooks import Webhook

from shared.settings import load_settings
from shared.webhooks.secret import new_secret
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal

LIVE_FROM = datetime(2024, 10, 14, tzinfo=UTC)
REASONS = ("", "", "", "busy", "paused_by_store")
_TIMEOUT_S = 30
_HOOK_SHARE = 0.5
_HOOK = {
    "mapping": {
        "each": "/events",
        "store_id": "/store_id",
        "observed_at": "/observed_at",
        "status": "/status",
        "reason": "/reason",
    },
    "signature": {"scheme": "standard_webhooks"},
}


def draw_poll(draw: random.Random, store_id: str, at: datetime) -> Mapping[str, str]:
    """Draw the status and the reason of a poll."""
    status = draw.choice(["active", "active", "inactive"])
    said = {"store_id": store_id, "status": status, "observed_at": at.isoformat()}
    reason = draw.choice(REASONS)
    return {**said, "reason": reason} if reason else said


class Calls(Thread):
    """One call after the other; call n brings polls of the n-th second only.

    A call of observations is sent once. A call of the hook is sent with one id until it is answered, as platforms do.
    """

    def __init__(self, directory: Path, seed: str, stores: Sequence[str], journal: Journal) -> None:
        super().__init__()
        self._draw = random.Random(f"{seed}/calls")
        self._ending, self._journal, self._stores = Ending(directory), journal, stores
        settings = load_settings()
        self._key = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
        self._http = httpx2.Client(base_url=settings.ingest_url, timeout=_TIMEOUT_S)
        self._secret = new_secret()

    def run(self) -> None:
        self._put_hook()
        number = 0
        while not self._ending.has_come():
            number += 1
            at = LIVE_FROM + timedelta(seconds=number, microseconds=1)  # no file has such an instant
            polls = [draw_poll(self._draw, store, at) for store in self._draw.sample(self._stores, 5)]
            self._journal.write("called", polls=polls)
            if self._draw.random() < _HOOK_SHARE:
                self._call_hook(number, at, polls)
            else:
                self._send(at, "/v1/observations", json.dumps({"observations": polls}), self._key)
            time.sleep(self._draw.uniform(0.1, 2.0))

    def _put_hook(self) -> None:
        while not self._ending.has_come():
            try:
                answer = self._http.put(
                    "/v1/hooks/soak", json={**_HOOK, "secret": self._secret}, headers=self._key
                )
            except httpx2.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                return
            time.sleep(0.3)

    def _call_hook(self, number: int, at: datetime, polls: Sequence[Mapping[str, str]]) -> None:
        body, message = json.dumps({"events": polls}), f"call-{number}"
        while not self._ending.has_come():
            now = datetime.now(UTC)
            headers = {
                "webhook-id": message,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(self._secret).sign(message, now, body),
            }
            if self._send(at, "/v1/hooks/soak", body, headers):
                return
            self._journal.write("hook_repeated", at=at.isoformat())
            time.sleep(0.3)

    def _send(self, at: datetime, path: str, body: str, headers: Mapping[str, str]) -> bool:
        """Return whether the call was answered, and need not be repeated."""
        try:
            answer = self._http.post(
                path, content=body, headers={**headers, "Content-Type": "application/json"}
            )
        except httpx2.HTTPError as error:
            self._journal.write("call_lost", at=at.isoformat(), error=type(error).__name__)
            return False
        self._journal.write("call_answered", at=at.isoformat(), path=path, status=answer.status_code)
        return not answer.is_server_error
