"""The end of `uptill demo`: a store goes down and comes back, and a receiver on this machine is told both times."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from rich.markup import escape

from services.cli.console import fail, stdout
from services.local.ports import HOST
from uptill_client import ApiError, Poll, UptillClient

_STORE, _NAME = "demo-store", "demo"
# The rule is about this store only: in a sample that ends now, others are down too.
_LABELS: Final = {"demo": "alert"}
# Two inactive polls are enough at any time of the day, and the incident ends with the first active one.
_PARAMETERS: Final = {"guard_after_opening_minutes": 0, "guard_before_closing_minutes": 0}


class _Receiver:
    """A webhook receiver, as yours would be. It keeps the messages, and refuses nothing."""

    def __init__(self) -> None:
        messages: SimpleQueue[Mapping[str, Any]] = SimpleQueue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                """Print nothing."""

        self.messages = messages
        self.server = HTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}/"

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Serve until the block ends."""
        thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def show_incident(settings: Mapping[str, str], patience_s: float) -> None:
    """Raise an incident in the stack with these settings, and let it end. Ends the command if a message does not arrive."""
    receiver = _Receiver()
    stdout.print("[bold]Now an alert: two inactive polls in a row are an incident[/]")
    began_s = time.monotonic()
    try:
        with (
            receiver.receiving(),
            UptillClient(
                settings["UPTILL_API_URL"],
                settings["UPTILL_API_KEY"],
                ingest_url=settings["UPTILL_INGEST_URL"],
                patience_s=patience_s,
            ) as client,
        ):
            _set_rule(client, receiver.url)
            stdout.print(f"The channel {_NAME} leads to a receiver on this machine, and a rule names it.")
            now = datetime.now(UTC)
            down = [Poll(_STORE, active=n == 2, observed_at=now - timedelta(minutes=n)) for n in (2, 1, 0)]  # noqa: PLR2004
            _send(client, down, f"{_STORE} sends an active poll and two inactive ones.")
            _await(receiver, "incident.opened", patience_s)
            _send(
                client,
                [Poll(_STORE, active=True, observed_at=datetime.now(UTC))],
                f"{_STORE} is active again.",
            )
            _await(receiver, "incident.resolved", patience_s)
            (incident,) = client.incidents(rule=_NAME)
    except ApiError as error:
        fail(f"the incident failed: {error}")
    stdout.print(f"`uptill incidents list --all` has it as {incident.state}.")
    stdout.print(f"[dim]{time.monotonic() - began_s:.1f} s[/]")


def _set_rule(client: UptillClient, url: str) -> None:
    client.set_channel(_NAME, "webhook", url=url)
    client.set_labels(_STORE, _LABELS, create=True)
    client.set_alert_rule(
        _NAME,
        "store_down",
        labels=_LABELS,
        parameters=_PARAMETERS,
        hold_open_minutes=0,
        delivery={"channels": [_NAME]},
    )


def _send(client: UptillClient, polls: list[Poll], what: str) -> None:
    client.send_polls(polls)
    stdout.print(escape(what))


def _await(receiver: _Receiver, event: str, patience_s: float) -> None:
    """Wait for the message about an event, and print it with the time that it took."""
    began_s = time.monotonic()
    try:
        message = receiver.messages.get(timeout=patience_s)
    except Empty:
        fail(f"the receiver got no message within {patience_s:g} s: see the scheduler's log")
    if message["type"] != event:
        fail(f"the receiver got a message about {message['type']}, not {event}")
    took_s = time.monotonic() - began_s
    stdout.print(f"  {took_s:.1f} s later, the receiver got: [bold]{escape(message['data']['title'])}[/]")
