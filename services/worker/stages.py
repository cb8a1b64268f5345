"""Stages of a worker's work, as metrics and traces show them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from shared.metrics.registry import STAGE_DURATION
from shared.tracing import span

Stage = Literal["load", "compute", "upload", "complete", "merge", "convert", "finish"]


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Measure and trace the block. A block that raises is not measured."""
    began = time.perf_counter()
    with span(name, {}, kind="client" if name == "upload" else "internal"):
        yield
    STAGE_DURATION.labels(name).observe(time.perf_counter() - began)
