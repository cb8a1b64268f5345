"""What `services.worker` relies on in Dramatiq beyond its documented interface. A new release that fails here needs a look."""

import threading
from collections.abc import Iterator
from uuid import UUID

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

from services.worker.actors import register_actors
from services.worker.blocking_broker import BlockingBroker, set_home
from services.worker.context import WorkerContext
from services.worker.main import make_worker
from shared.contracts import (
    ACTOR_NAMES,
    REPORT_QUEUE,
    SHORT_QUEUE,
    ComputeBatch,
    ShortBatch,
    home_queue,
)
from shared.queue import make_broker, publish, queue_depth
from tests.fixtures.services import wait_until

REPORT = UUID(int=7)
THREADS = 2


class BlockingWork:
    """An actor whose calls wait until they are let go."""

    def __init__(self, broker: RedisBroker) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.let_go = threading.Event()
        dramatiq.actor(broker=broker, queue_name=REPORT_QUEUE, actor_name=ACTOR_NAMES[ComputeBatch])(
            self.work
        )

    def work(self, *, report_id: str, batch_no: int) -> None:
        del report_id
        self.begun.append(batch_no)
        self.let_go.wait(30)
        self.ended.append(batch_no)


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = make_broker(redis_url, kind=BlockingBroker)
    yield broker
    broker.close()


@pytest.fixture
def work(broker: RedisBroker) -> Iterator[BlockingWork]:
    work = BlockingWork(broker)
    broker.delay_queues.clear()
    yield work
    work.let_go.set()


def batches(*numbers: int) -> list[ComputeBatch]:
    return [ComputeBatch(report_id=REPORT, batch_no=number) for number in numbers]


def test_a_worker_fetches_only_what_its_threads_can_start(broker: RedisBroker, work: BlockingWork) -> None:
    """`queue_prefetch` is read when a worker starts. A message beyond it stays in Redis for other workers."""
    publish(broker, batches(*range(10)))
    worker = make_worker(broker, REPORT_QUEUE, THREADS)
    worker.start()
    wait_until(lambda: len(work.begun) == THREADS, "both threads to work")
    assert queue_depth(broker) == 10 - THREADS
    work.let_go.set()
    wait_until(lambda: len(work.ended) == 10, "the rest")
    worker.stop(5000)


def test_a_worker_serves_its_queue_alone(broker: RedisBroker, work: BlockingWork) -> None:
    """No consumer of the other queue and none of the delay queues, which are cleared after the actors were declared."""
    publish(broker, [ShortBatch(report_id=REPORT, batch_no=0)])
    worker = make_worker(broker, REPORT_QUEUE, THREADS)
    worker.start()
    wait_until(lambda: work.begun, "the message in the queue of reports")
    assert set(worker.consumers) == {REPORT_QUEUE}
    assert broker.client.llen(f"{broker.namespace}:{SHORT_QUEUE}") == 1
    work.let_go.set()
    worker.stop(5000)


def test_actors_leave_no_delay_queue(broker: RedisBroker) -> None:
    def no_context() -> WorkerContext:
        raise AssertionError("no message was sent")

    assert broker.delay_queues
    register_actors(broker, no_context)
    assert not broker.get_declared_delay_queues()
    assert broker.get_declared_actors() == set(ACTOR_NAMES.values())


def test_stopped_threads_end_their_message_and_take_no_other(broker: RedisBroker, work: BlockingWork) -> None:
    """`drain` stops the threads first and the worker later, which puts back what was fetched and not begun."""
    publish(broker, batches(*range(10)))
    worker = make_worker(broker, REPORT_QUEUE, THREADS)
    worker.queue_prefetch = 2 * THREADS
    worker.start()
    wait_until(lambda: queue_depth(broker) == 10 - 2 * THREADS and len(work.begun) == THREADS, "prefetching")
    for thread in worker.workers:
        thread.stop()
    work.let_go.set()
    for thread in worker.workers:
        thread.join(10)
    assert len(work.begun) == len(work.ended) == THREADS
    worker.stop(timeout=2000)
    assert queue_depth(broker) == 10 - THREADS


def test_an_idle_worker_waits_inside_redis(broker: RedisBroker, work: BlockingWork) -> None:
    """A message ends the wait, and the worker waits again."""
    work.let_go.set()
    worker = make_worker(broker, REPORT_QUEUE, THREADS)
    worker.start()
    for number in range(3):
        wait_until(lambda: count_waiting(broker) == 1, "the consumer to wait")
        publish(broker, batches(number))
        wait_until(lambda: number in work.ended, "the message")  # noqa: B023 - it is called within this pass
    worker.stop(5000)
    assert work.begun == [0, 1, 2]
    wait_until(lambda: count_waiting(broker) == 0, "the end of the wait")


def test_a_wait_that_is_cut_off_begins_again(broker: RedisBroker, work: BlockingWork) -> None:
    work.let_go.set()
    worker = make_worker(broker, REPORT_QUEUE, THREADS)
    worker.start()
    wait_until(lambda: count_waiting(broker) == 1, "the consumer to wait")
    (waiting,) = list_waiting(broker)
    broker.client.client_kill_filter(_id=waiting["id"])
    publish(broker, batches(0))
    wait_until(lambda: work.ended, "the message after the consumer's restart")
    worker.stop(5000)


def count_waiting(broker: RedisBroker) -> int:
    return len(list_waiting(broker))


def list_waiting(broker: RedisBroker) -> list[dict[str, str]]:
    """Return the connections to the broker's database that wait in a BLMOVE."""
    database = str(database_of(broker))
    return [
        one
        for one in broker.client.client_list()
        if one["cmd"] == "blmove" and "b" in one["flags"] and one["db"] == database
    ]


def database_of(broker: RedisBroker) -> int:
    """Return the number of the broker's database: tests that run at the same time share the server."""
    number: int = broker.client.connection_pool.connection_kwargs["db"]
    return number


def test_a_message_published_ahead_is_fetched_first(broker: RedisBroker, work: BlockingWork) -> None:
    """`publish(ahead=True)` writes the list and the hash of a queue itself."""
    publish(broker, batches(0, 1))
    publish(broker, batches(2), ahead=True)
    work.let_go.set()
    worker = make_worker(broker, REPORT_QUEUE, 1)
    worker.start()
    wait_until(lambda: len(work.ended) == 3, "all three")
    worker.stop(5000)
    assert work.begun == [2, 0, 1]


def test_messages_to_one_worker_come_first_and_one_to_all_follows_each(
    broker: RedisBroker, work: BlockingWork
) -> None:
    """What is fetched from a worker's own list counts as fetched, and is neither acknowledged nor put back."""
    set_home(broker, lambda: 7)
    work.let_go.set()
    publish(broker, [ComputeBatch(report_id=REPORT, batch_no=number, home=7) for number in range(6)])
    publish(broker, [ComputeBatch(report_id=REPORT, batch_no=6, home=8)])
    worker = make_worker(broker, REPORT_QUEUE, 1)
    worker.start()
    wait_until(lambda: len(work.ended) == 11, "every message")
    worker.stop(5000)
    assert work.begun == [0, 1, 2, 3, *range(7)]
    others = f"{broker.namespace}:{home_queue(8)}"
    assert broker.client.llen(others) == 1
    assert 0 < broker.client.ttl(others) <= 60


def test_the_end_of_a_wait_brings_the_message_to_one_worker(broker: RedisBroker, work: BlockingWork) -> None:
    """The command that takes it lies behind the one that waits, on the same connection: it costs no round trip."""
    set_home(broker, lambda: 7)
    work.let_go.set()
    worker = make_worker(broker, REPORT_QUEUE, THREADS)
    worker.start()
    wait_until(lambda: count_waiting(broker) == 1, "the consumer to wait")
    (waiting,) = list_waiting(broker)
    with broker.client.monitor() as monitor:
        publish(broker, [ComputeBatch(report_id=REPORT, batch_no=0, home=7)])
        wait_until(lambda: work.ended == [0, 0], "the message to it, and the one to all")
        commands = iter(monitor.next_command, None)
        take = f"LPOP {broker.namespace}:{home_queue(7)}"
        first = next(
            each for each in commands if (each["db"], each["command"]) == (database_of(broker), take)
        )
    worker.stop(5000)
    assert f"{first['client_address']}:{first['client_port']}" == waiting["addr"]


def test_settings_made_before_a_worker_boots_reach_its_consumers(
    broker: RedisBroker, work: BlockingWork
) -> None:
    """`WorkerLifecycle` changes the worker that Dramatiq's command has made."""

    class ChangesWorker(Middleware):
        def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
            del broker
            worker.queue_prefetch, worker.worker_timeout = worker.worker_threads, 20

    broker.add_middleware(ChangesWorker())
    work.let_go.set()
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    assert {c.prefetch for c in worker.consumers.values()} == {THREADS}
    assert {c.worker_timeout for c in worker.consumers.values()} == {20}
    worker.stop(5000)
