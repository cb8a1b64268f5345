"""What a closure does to the numbers of a week: with it, and without it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.api.use_cases.timeline import TimelineInput
from services.api.web.figures import WindowNumbers
from shared.uptime.store_terms import StoreClosure


@dataclass(frozen=True)
class ClosureEffect:
    """The week's numbers as they are, and as they would be."""

    now: WindowNumbers
    then: WindowNumbers

    @property
    def changes(self) -> bool:
        """Whether any number differs."""
        return self.now != self.then

    @classmethod
    def of_adding(cls, week: TimelineInput, closure: StoreClosure) -> "ClosureEffect":
        """Return the effect of declaring a closure."""
        return cls._of(week, [*week.terms.closures, closure])

    @classmethod
    def of_withdrawing(cls, week: TimelineInput, closure_id: str) -> "ClosureEffect":
        """Return the effect of withdrawing a closure."""
        return cls._of(week, [each for each in week.terms.closures if each.id != closure_id])

    @classmethod
    def _of(cls, week: TimelineInput, closures: Sequence[StoreClosure]) -> "ClosureEffect":
        then = replace(week, terms=replace(week.terms, closures=closures))
        return cls(_measure(week), _measure(then))


def _measure(week: TimelineInput) -> WindowNumbers:
    return WindowNumbers.of("week", week.compute_timeline().measures)
