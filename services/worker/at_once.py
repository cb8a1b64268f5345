"""Run calls to servers at the same time. Must not know what they do."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def run_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Return the results in the order of the calls. If any call raises, raise the first error once all have ended."""
    if len(calls) == 1:
        return [calls[0]()]
    with ThreadPoolExecutor(len(calls), "at-once") as threads:
        results = [threads.submit(copy_context().run, call) for call in calls]
    return [result.result() for result in results]
