"""The Dramatiq actors: they parse a message and call a use case. A message that cannot be read is dead-lettered."""

from collections.abc import Callable

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from shared import failpoints
from shared.contracts import ACTOR_NAMES, REPORT_QUEUE, ComputeBatch, FinaliseReport


def register_actors(broker: RedisBroker, context: Callable[[], WorkerContext]) -> None:
    """Declare the actors; `context` is asked at each message, since it exists only after the fork."""

    def on_compute_batch(**message: object) -> None:
        wake = ComputeBatch.model_validate(message)
        compute_batch(context(), wake.report_id, wake.batch_no)
        failpoints.hit("ack.before")

    def on_finalise_report(**message: object) -> None:
        finalise_report(context(), FinaliseReport.model_validate(message).report_id)

    for actor, message_type in ((on_compute_batch, ComputeBatch), (on_finalise_report, FinaliseReport)):
        dramatiq.actor(broker=broker, queue_name=REPORT_QUEUE, actor_name=ACTOR_NAMES[message_type])(actor)
