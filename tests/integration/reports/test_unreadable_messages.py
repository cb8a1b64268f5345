"""Messages that no actor can read are put aside and counted, and the worker goes on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from shared.contracts import ACTOR_NAMES, REPORT_QUEUE, SHORT_QUEUE, ComputeBatch, ShortBatch
from shared.ids import new_id
from shared.queue import dead_messages, make_broker
from tests.fixtures.metrics import free_ports, on_port, scrape, value
from tests.fixtures.services import Services, wait_until

COMPUTE, SHORT = ACTOR_NAMES[ComputeBatch], ACTOR_NAMES[ShortBatch]
UNREADABLE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "an actor of another release": ("count_stars", {"report_id": str(new_id())}),
    "no arguments": (COMPUTE, {}),
    "no id": (COMPUTE, {"report_id": "first", "batch_no": 0}),
    "an older release's": (COMPUTE, {"report": str(new_id()), "batch": 0}),
    "a newer release's": (COMPUTE, {"report_id": str(new_id()), "batch_no": 0, "priority": 1}),
    "in the queue of short work": (SHORT, {"report_id": "first", "batch_no": 0}),
}


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    with free_ports("scheduler") as ports:
        yield ports


def test_they_are_counted_and_the_worker_lives(
    env: dict[str, str], ports: dict[str, int], tmp_path: Path
) -> None:
    broker = make_broker(env["UPTILL_REDIS_URL"])
    with Services(env, tmp_path) as services:
        services.api()
        worker = services.worker()
        services.scheduler(**on_port(ports["scheduler"]))
        for actor, arguments in UNREADABLE.values():
            queue = SHORT_QUEUE if actor == SHORT else REPORT_QUEUE
            broker.enqueue(dramatiq.Message(queue, actor, (), dict(arguments), {}))
        wait_until(lambda: dead_messages(broker) == len(UNREADABLE), "all of them to be put aside")
        with services.client() as client:
            *_, ended = client.follow(client.create_report(force=True).id)
        assert ended.state == "succeeded"
        assert worker.poll() is None
        wait_until(
            lambda: (
                value(scrape(ports["scheduler"]), "uptill_queue_messages", state="dead") == len(UNREADABLE)
            ),
            "the metric",
        )
        wait_until(lambda: not broker.client.hlen(f"dramatiq:{REPORT_QUEUE}.msgs"), "every acknowledgement")
    broker.close()
