"""The Dramatiq actors: they parse a message and call a use case. A message that cannot be read is dead-lettered.

A message about a batch only wakes: the worker takes the batch whose turn it is, which may be another one.
Without a due batch it evaluates a due service level.
"""

from collections.abc import Callable

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from services.worker.home import compute_after_grace
from services.worker.levels.evaluate_due import evaluate_due_level
from shared import failpoints
from shared.contracts import (
    ACTOR_NAMES,
    REPORT_QUEUE,
    SHORT_QUEUE,
    ComputeBatch,
    FinaliseReport,
    ShortBatch,
)


def register_actors(broker: RedisBroker, context: Callable[[], WorkerContext]) -> None:
    """Declare the actors. Each message calls `context`, which the process opens only after the actors exist."""

    def on_compute_batch(**message: object) -> None:
        wake = ComputeBatch.model_validate(message)
        if context().short_wakes.skips(wake):
            return
        if compute_next(context()) is None and not compute_after_grace(context(), wake):
            evaluate_due_level(context())
        failpoints.hit("ack.before")

    def on_short_batch(**message: object) -> None:
        wake = ShortBatch.model_validate(message)
        short_wakes = context().short_wakes
        short_wakes.begin(wake)
        claimed = None
        try:
            claimed = compute_next(context(), only_short=True)
        finally:
            if short_wakes.end(wake) and claimed is None:
                context().wake([ComputeBatch(report_id=wake.report_id, batch_no=wake.batch_no)])

    def on_finalise_report(**message: object) -> None:
        finalise_report(context(), FinaliseReport.model_validate(message).report_id)

    for actor, message_type, queue in (
        (on_compute_batch, ComputeBatch, REPORT_QUEUE),
        (on_short_batch, ShortBatch, SHORT_QUEUE),
        (on_finalise_report, FinaliseReport, REPORT_QUEUE),
    ):
        dramatiq.actor(broker=broker, queue_name=queue, actor_name=ACTOR_NAMES[message_type])(actor)
    # Uptill never delays messages. Without this, workers would also poll an empty delay queue for each queue.
    broker.delay_queues.clear()
