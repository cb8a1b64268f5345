"""The options of a load, the same for all of its sources."""

from dataclasses import dataclass

from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.run.closing_right import ClosingRight
from services.ingest.run.limits import Limits
from services.ingest.run.progress import LoadProgress, OnProgress

_DEFAULT_LIMITS = Limits()


def _ignore(_: LoadProgress) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class LoadOptions:
    """The limits, how new imports are read, what is called after each chunk, and what closures the sender may declare."""

    limits: Limits = _DEFAULT_LIMITS
    reading: Reading = PLAIN
    on_progress: OnProgress = _ignore
    closing: ClosingRight = ClosingRight.ALL


DEFAULT_OPTIONS = LoadOptions()
