"""Runs an iterator ahead of its consumer in a thread, so that parsing overlaps with the server's work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_UP_S = 0.1  # how often a waiting producer asks whether anybody still wants its work


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


@contextmanager
def ahead(items: Iterator[T], depth: int = 1) -> Iterator[Iterator[T]]:
    """The same items, at most `depth` of them made before they are asked for; errors come through.

    When the block ends, also early, the thread has ended.
    """
    queue: Queue[_Item[T] | _End] = Queue(depth)
    unwanted = Event()
    thread = Thread(target=_produce, args=(items, queue, unwanted), name="ingest-parser", daemon=True)
    thread.start()
    try:
        yield _consume(queue)
    finally:
        unwanted.set()
        thread.join()


def _produce(items: Iterator[T], queue: "Queue[_Item[T] | _End]", unwanted: Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(queue, _Item(item), unwanted):
                return
    except BaseException as error:  # noqa: BLE001 (raised again in the consumer)
        end = _End(error)
    _put(queue, end, unwanted)


def _put(queue: "Queue[_Item[T] | _End]", entry: _Item[T] | _End, unwanted: Event) -> bool:
    while not unwanted.is_set():
        try:
            queue.put(entry, timeout=_LOOK_UP_S)
        except Full:
            continue
        return True
    return False


def _consume(queue: "Queue[_Item[T] | _End]") -> Iterator[T]:
    while isinstance(entry := queue.get(), _Item):
        yield entry.value
    if entry.error is not None:
        raise entry.error
