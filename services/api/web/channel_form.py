"""The form of a channel as the body of `PUT /v1/channels/{channel}`, which checks it. A destination is never shown again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from services.api.schemas.channels import ChannelPut
from services.api.web.forms import PageForm, parse_fields
from shared.channels.model import ChannelKind, StoredChannel
from shared.errors import InvalidRequest

KIND_LABELS: Final[Mapping[ChannelKind, str]] = {
    "email": "E-mail",
    "chat": "Chat service",
    "webhook": "Webhook",
}
KIND_HELP: Final[Mapping[ChannelKind, str]] = {
    "email": "One or more addresses. The mail server is a setting of the scheduler.",
    "chat": "Slack, Teams, Telegram, PagerDuty, Opsgenie or ntfy, as an Apprise URL such as slack://TOKENS.",
    "webhook": "A public https URL that gets each message as JSON, signed with a secret that is shown once.",
}
_DEFAULT_RATE: Final = 20


@dataclass(frozen=True)
class ChannelDraft:
    """A channel as it stands in the form. `destination` is write-only: no page shows it."""

    kind: ChannelKind
    name: str = ""
    per_minute: int | float | str = _DEFAULT_RATE
    attach: bool = True
    destination: str = field(default="", repr=False)

    @classmethod
    def of_channel(cls, channel: StoredChannel) -> "ChannelDraft":
        """Return a stored channel, without its destination."""
        return cls(channel.kind, channel.name, channel.per_minute, channel.attach)

    @classmethod
    def of_form(cls, form: PageForm) -> "ChannelDraft":
        """Return what was sent. Raises `InvalidRequest` for an unknown kind."""
        for kind in KIND_LABELS:
            if form.text("kind") == kind:
                return cls(
                    kind,
                    form.text("name"),
                    form.number("per_minute"),
                    bool(form.text("attach")),
                    form.text("destination"),
                )
        raise InvalidRequest("unknown kind of channel: choose one of the list", field="kind")

    def as_body(self) -> ChannelPut:
        """Return the body. Raises `InvalidRequest`, whose text does not repeat the destination."""
        given = {"kind": self.kind, "per_minute": self.per_minute, "attach": self.attach}
        words = self.destination.replace(",", " ").split()
        where = {"to": words} if self.kind == "email" else {"url": self.destination or None}
        try:
            return ChannelPut.model_validate({**given, **where})
        except ValidationError as error:
            names = {str(each["loc"][0]) for each in error.errors(include_input=False)}
            if names & {"to", "url"}:
                raise InvalidRequest(
                    "the destination is too long, or has too many addresses: see the limits of channels",
                    field="destination",
                ) from None
            return parse_fields(ChannelPut, given)
