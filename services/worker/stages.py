"""The stages of a worker's work, as the metrics show them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from shared.metrics.registry import STAGE_DURATION

Stage = Literal["load", "compute", "upload", "complete", "merge", "convert", "finish"]


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Observe how long the block takes; one that fails is no observation."""
    began = time.perf_counter()
    yield
    STAGE_DURATION.labels(name).observe(time.perf_counter() - began)
