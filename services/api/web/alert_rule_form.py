"""The form of an alert rule as the body of `PUT /v1/alert-rules/{rule}`, which checks it, and a stored rule as a form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.api.schemas.alert_rules import AlertRulePut
from services.api.web.forms import PageForm, number_or_text, parse_fields
from services.api.web.search import label_term, parse_search
from shared.errors import InvalidRequest
from shared.incidents.stored_rules import StoredAlertRule
from shared.incidents.terms import DEFAULT_HOLD_OPEN_MINUTES, PARAMETERS, RuleKind

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PREFIX: Final = "parameter."
_NUMBERS: Final = ("digest_minutes", "remind_minutes", "escalate_after_minutes")
_TEXTS: Final = ("quiet_from", "quiet_until", "escalate_channel")
_DEFAULT_DELIVERY: Final[Mapping[str, Any]] = {
    "channels": [],
    "quiet_from": None,
    "quiet_until": None,
    "weekdays": list(range(7)),
    "zone": "store",
    "digest_minutes": 0,
    "remind_minutes": 0,
    "escalate_channel": None,
    "escalate_after_minutes": 0,
}


@dataclass(frozen=True)
class RuleDraft:
    """A rule as it stands in the form. Texts are those that the person wrote."""

    kind: RuleKind
    name: str = ""
    labels: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    hold_open_minutes: Any = DEFAULT_HOLD_OPEN_MINUTES
    delivery: Mapping[str, Any] = field(default_factory=lambda: _DEFAULT_DELIVERY)
    paused: bool = False

    @classmethod
    def of_kind(cls, kind: RuleKind) -> "RuleDraft":
        """Return a new rule with the defaults of its kind."""
        return cls(kind, parameters={name: each.default for name, each in PARAMETERS[kind].items()})

    @classmethod
    def of_rule(cls, rule: StoredAlertRule) -> "RuleDraft":
        """Return a stored rule."""
        labels = " ".join(label_term(name, value) for name, value in rule.labels.items())
        delivery = {**_DEFAULT_DELIVERY, **rule.delivery}
        return cls(
            RuleKind(rule.kind),
            rule.name,
            labels,
            rule.parameters,
            rule.hold_open_minutes,
            delivery,
            rule.paused,
        )

    @classmethod
    def of_form(cls, form: PageForm) -> "RuleDraft":
        """Return what was sent. Raises `InvalidRequest` for an unknown kind."""
        try:
            kind = RuleKind(form.text("kind"))
        except ValueError:
            raise InvalidRequest(
                f"unknown kind {form.text('kind')[:50]!r}: choose one of the list", field="kind"
            ) from None
        return cls(
            kind,
            form.text("name"),
            form.text("labels"),
            {name: form.text(_PREFIX + name) or None for name in PARAMETERS[kind]},
            form.number("hold_open_minutes"),
            {
                "channels": form.texts("channel"),
                "weekdays": [int(day) for day in form.texts("weekday") if day.isdecimal()],
                "zone": form.text("zone") or "store",
                **{name: form.text(name) or None for name in _TEXTS},
                **{name: form.number(name) or 0 for name in _NUMBERS},
            },
            bool(form.text("paused")),
        )

    def as_body(self) -> AlertRulePut:
        """Return the body. Raises `InvalidRequest`."""
        _, labels = parse_search(self.labels, labels_only=True)
        given = {
            "kind": self.kind,
            "labels": dict(labels),
            "parameters": {name: self._parameter(name, value) for name, value in self.parameters.items()},
            "hold_open_minutes": self.hold_open_minutes,
            "delivery": dict(self.delivery),
            "paused": self.paused,
        }
        return parse_fields(AlertRulePut, given)

    def keep_channels(self, known: Sequence[str]) -> "RuleDraft":
        """Return the rule without channels that were removed: a rule goes on without them."""
        escalates = self.delivery["escalate_channel"] in known
        return replace(
            self,
            delivery={
                **self.delivery,
                "channels": [each for each in self.delivery["channels"] if each in known],
                **({} if escalates else {"escalate_channel": None, "escalate_after_minutes": 0}),
            },
        )

    @property
    def fields(self) -> Sequence[tuple[str, Any, Any]]:
        """The name of each parameter, what it may be, and its value."""
        return [(name, each, self.parameters.get(name)) for name, each in PARAMETERS[self.kind].items()]

    def _parameter(self, name: str, value: Any) -> Any:
        """Return a number as one. What is not a number is refused with the terms of the kind."""
        if value is None or PARAMETERS[self.kind][name].least is None:
            return value
        return number_or_text(str(value))
