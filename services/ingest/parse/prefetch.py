"""Parses ahead of the writer, in a thread, so that parsing overlaps with the server's work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
_CHECK_S = 0.1  # how often a blocked producer checks whether the consumer has left


@dataclass(frozen=True)
class _PrefetchedItem(Generic[T]):
    value: T


@dataclass(frozen=True)
class _PrefetchEnd:
    error: BaseException | None = None


_Entry = _PrefetchedItem[T] | _PrefetchEnd


@contextmanager
def prefetch(items: Iterator[T], depth: int = 1) -> Iterator[Iterator[T]]:
    """Yield the same items, with at most `depth` of them produced in advance. Errors are raised in the consumer.

    The thread has ended when the block ends, even if it ends early.
    """
    queue: Queue[_Entry[T]] = Queue(depth)
    unwanted = Event()
    thread = Thread(target=_produce_items, args=(items, queue, unwanted), name="ingest-parser", daemon=True)
    thread.start()
    try:
        yield _consume_items(queue)
    finally:
        unwanted.set()
        thread.join()


def _produce_items(items: Iterator[T], queue: "Queue[_Entry[T]]", unwanted: Event) -> None:
    end = _PrefetchEnd()
    try:
        for item in items:
            if not _put_entry(queue, _PrefetchedItem(item), unwanted):
                return
    except BaseException as error:  # noqa: BLE001 (raised again in the consumer)
        end = _PrefetchEnd(error)
    _put_entry(queue, end, unwanted)


def _put_entry(queue: "Queue[_Entry[T]]", entry: "_Entry[T]", unwanted: Event) -> bool:
    """Return False if the consumer has left."""
    while not unwanted.is_set():
        try:
            queue.put(entry, timeout=_CHECK_S)
        except Full:
            continue
        return True
    return False


def _consume_items(queue: "Queue[_Entry[T]]") -> Iterator[T]:
    while isinstance(entry := queue.get(), _PrefetchedItem):
        yield entry.value
    if entry.error is not None:
        raise entry.error
