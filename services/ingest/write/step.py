"""What to do with one file of a delivery."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.ingest.write.contradictions import StagedPart


@dataclass(frozen=True)
class Step:
    """One step of loading a file. The default loads it whole, or applies the rows that an earlier step staged.

    `stage_only`: the rows wait for the rest of the delivery. `delivery_id`: they take effect together with those of other
    files. `is_last`: all other files of the same delivery and kind are staged. `held_by`: these files of the delivery
    were not loaded, so the staged rows do not take effect. `beside`: the files of the delivery that are staged, in load order.
    `may_skip`: bytes that were loaded before need not be loaded again. `ended_by`: the delivery ended before the staged rows took
    effect; they wait until the import resumes.
    """

    stage_only: bool = False
    delivery_id: UUID | None = None
    is_last: bool = False
    held_by: Sequence[str] = ()
    beside: Sequence[StagedPart] = ()
    may_skip: bool = True
    ended_by: BaseException | None = None


LOAD = Step()
