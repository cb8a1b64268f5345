"""Follow a job until it has ended."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar


class HasEnd(Protocol):
    """A job that says whether it has ended."""

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        ...


class JobEnd:
    """What states of jobs share."""

    state: str

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.state not in ("queued", "running")


Job = TypeVar("Job", bound=HasEnd)


def follow_job(read: Callable[[], Job], every_s: float) -> Iterator[Job]:
    """Yield what `read` returns every `every_s` seconds. The last value has ended."""
    while True:
        job = read()
        yield job
        if job.is_final:
            return
        time.sleep(every_s)
