"""The messages about short batches that a thread of this worker is at, so that their twins in the other queue can be skipped."""

from threading import Lock
from uuid import UUID

from shared.contracts import ComputeBatch


class ShortWakes:
    """A short batch has a message in each queue. While one is worked on here, the other finds nothing to do. Thread-safe.

    A twin that was skipped is due again if its message found no short batch: then other work may wait for a message.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # Whether the twin was skipped.
        self._begun: dict[tuple[UUID, int], bool] = {}

    def begin(self, wake: ComputeBatch) -> None:
        """Note that a thread for short work has the message."""
        with self._lock:
            self._begun[wake.report_id, wake.batch_no] = False

    def skips(self, wake: ComputeBatch) -> bool:
        """Return whether a message of the queue of all reports is such a twin. It must be skipped then."""
        key = wake.report_id, wake.batch_no
        with self._lock:
            if key not in self._begun:
                return False
            self._begun[key] = True
            return True

    def end(self, wake: ComputeBatch) -> bool:
        """Note that the thread is done with the message. Return whether the twin was skipped."""
        with self._lock:
            return self._begun.pop((wake.report_id, wake.batch_no), False)
