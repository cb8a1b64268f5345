"""Methods, risks and findings as lines of the page of insights: each in a sentence, with its evidence and where to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.api.use_cases.insights import HourRisk, MethodScores, StoredFinding, StoreRiskNow
from services.api.web.search import label_term
from services.api.web.words import in_path
from shared.insights.sentences import describe_skill, percent
from shared.pictures.week import DAYS
from shared.pictures.words import minute_of

_PREFIX: Final = "risk_"
_DOMAIN: Final = -0.5  # a worse skill is drawn as this one


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding, the method that finds it, and the words for it."""

    kind: str
    method: str
    title: str
    about: str


FINDING_KINDS: Final = (
    FindingKind(
        "pattern",
        "patterns",
        "Recurring down time",
        "Stores that are down at the same hours of the week again and again, in local time.",
    ),
    FindingKind(
        "cause",
        "causes",
        "Common causes",
        "Labels whose stores went down together in the last week, more often than chance explains.",
    ),
    FindingKind(
        "drift",
        "drift",
        "Drift",
        "Stores and labels that are down more, or less, often than earlier in the eight weeks.",
    ),
)
_TITLES: Final = {each.method: each.title for each in FINDING_KINDS}


@dataclass(frozen=True)
class MethodLine:
    """A method with its skill against the mean of each store."""

    scores: MethodScores

    @property
    def is_risk(self) -> bool:
        return self.scores.method.startswith(_PREFIX)

    @property
    def title(self) -> str:
        """The method in words."""
        if not self.is_risk:
            return _TITLES.get(self.scores.method, self.scores.method)
        hours = int(self.scores.method.removeprefix(_PREFIX).removesuffix("h"))
        return "Risk of the next open hour" if hours == 1 else f"Risk, {hours} open hours ahead"

    @property
    def sentence(self) -> str:
        """How far it can be believed, or why it is off."""
        return describe_skill(self.scores.reason, self._skill)

    @property
    def precision(self) -> str:
        """How much of its highest predictions came true; empty if that is not known."""
        share = self.scores.scores["top_precision"]
        return "" if share is None else f"of its highest 1 %, {percent(share)} came true"

    @property
    def is_scored(self) -> bool:
        """Whether there is a skill to draw."""
        return self._skill is not None

    @property
    def low(self) -> float:
        return self._drawn("low")

    @property
    def value(self) -> float:
        return self._drawn("value")

    @property
    def high(self) -> float:
        return self._drawn("high")

    def _drawn(self, name: str) -> float:
        assert self._skill is not None  # noqa: S101 - only what is scored is drawn
        return max(_DOMAIN, self._skill[name])

    @property
    def _skill(self) -> Mapping[str, float] | None:
        return self.scores.skill["store_mean"]


@dataclass(frozen=True)
class RiskLine:
    """A store with the risk of its next open hours."""

    risk: StoreRiskNow

    def title(self, hour: HourRisk) -> str:
        """Return an hour in local time, with its probability."""
        local = hour.at.astimezone(ZoneInfo(self.risk.row.timezone))
        known = "not known: its method is off" if hour.probability is None else percent(hour.probability)
        return f"{local:%a} {minute_of(local)}: {known}"


@dataclass(frozen=True)
class FindingLine:
    """A finding with its evidence in words, and the page that shows what it is about."""

    kind: str
    found: StoredFinding
    as_of: datetime

    @property
    def label(self) -> str | None:
        """The search for the stores, if the finding is about a label."""
        name = self.found.label_name
        return None if name is None else label_term(name, self.found.label_value or "")

    @property
    def path(self) -> str:
        """The path of the page that shows it, below the page's root."""
        if self.label is None:
            return f"stores/{in_path(self.found.store_id or '')}?week={self._day}"
        if self.kind == "cause":
            return f"outages?day={self._day}&q={in_path(self.label)}"
        return f"fleet?q={in_path(self.label)}"

    @property
    def link(self) -> str:
        """What the page shows."""
        if self.label is None:
            return f"Week of {self._day}"
        return f"Outages of {self._day}" if self.kind == "cause" else "Fleet of the label"

    @property
    def evidence(self) -> Sequence[str]:
        """The numbers that the sentence does not have."""
        known: Mapping[str, Any] = self.found.evidence
        found = [f"p = {known['p_value']:.1g}"] if "p_value" in known else []
        if "known_hours" in known:
            found.append(f"{known['known_hours']:,} open hours with polls")
        if "effect_logits" in known:
            found.append(f"log odds {known['effect_logits']:+.2f}".replace("-", "\u2212"))
        return found

    @property
    def _day(self) -> date:
        """The date when a change or an outage began, or the last whole date of a pattern's weekday."""
        known, last = self.found.evidence, self.as_of.date()
        if (since := known.get("since") or known.get("since_earliest")) is not None:
            return date.fromisoformat(since[:10])
        return last - timedelta(days=(last.weekday() - known.get("day_of_week", 0)) % DAYS or DAYS)
