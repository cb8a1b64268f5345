"""Where a channel leads: checked when it is set, stored as a secret, and masked in answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from shared.channels.model import ChannelKind
from shared.errors import InvalidRequest
from shared.webhooks.address import MAX_URL, check_url

MAX_RECIPIENTS: Final = 20
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_CHAT_URL = re.compile(r"([a-z]+)://[A-Za-z0-9._~:/@#%+=,!*-]+(?:\?([A-Za-z0-9._~:/@%+=&,#-]*))?")
# Parameters of chat URLs that choose a recipient or a look. Others can read files or turn off the check of certificates.
_CHAT_PARAMETERS: Final = frozenset(
    (
        *("auth", "channel", "footer", "group", "icon", "image", "mode", "preview"),
        *("priority", "region", "silent", "source", "tags", "thread", "to", "topic"),
    )
)


@dataclass(frozen=True)
class Destination:
    """The kind of a channel and where it leads: a URL, or the recipients of e-mail."""

    kind: ChannelKind
    url: str | None = field(default=None, repr=False)
    to: Sequence[str] = field(default=(), repr=False)

    def to_json(self) -> Mapping[str, Any]:
        """Return the destination as `channel.destination` stores it."""
        return {"to": list(self.to)} if self.kind == "email" else {"url": self.url}

    @property
    def shown(self) -> str:
        """The destination with all but its kind masked: `o…@example.com`, `https://hooks.example/…`, `slack://…`."""
        if self.kind == "email":
            return ", ".join(f"{address[0]}…@{address.rpartition('@')[2]}" for address in self.to)
        parts = urlsplit(self.url or "")
        # The host of a chat URL may be a token.
        return f"{parts.scheme}://{'' if self.kind == 'chat' else f'{parts.hostname}/'}…"


def check_destination(
    destination: Destination, *, allow_private: bool, chat_schemes: Sequence[str]
) -> Destination:
    """Return the destination. Raises `InvalidRequest`, whose text does not repeat it, if no message may ever go there."""
    match destination.kind:
        case "email":
            _refuse_field("url", destination.url is not None, destination.kind, "to")
            _check_recipients(destination.to)
        case "webhook":
            _refuse_field("to", bool(destination.to), destination.kind, "url")
            check_url(_require_url(destination), allow_private=allow_private)
        case "chat":
            _refuse_field("to", bool(destination.to), destination.kind, "url")
            _check_chat_url(_require_url(destination), chat_schemes)
    return destination


def _refuse_field(name: str, is_given: bool, kind: ChannelKind, instead: str) -> None:  # noqa: FBT001
    if is_given:
        raise InvalidRequest(
            f"{name} does not belong to a channel of kind {kind}: give {instead} instead", field=name
        )


def _require_url(destination: Destination) -> str:
    if not destination.url:
        raise InvalidRequest(f"url is missing: a channel of kind {destination.kind} needs one", field="url")
    return destination.url


def _check_recipients(recipients: Sequence[str]) -> None:
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise InvalidRequest(
            f"to has {len(recipients)} addresses: give 1 to {MAX_RECIPIENTS} e-mail addresses", field="to"
        )
    for number, address in enumerate(recipients):
        if len(address) > 254 or not _ADDRESS.fullmatch(address):  # noqa: PLR2004 - RFC 5321, section 4.5.3.1.3
            raise InvalidRequest(
                f"to[{number}] is not a valid e-mail address: write it as ops@example.com, without a name",
                field="to",
            )
        if address.lower() in [each.lower() for each in recipients[:number]]:
            raise InvalidRequest(f"to[{number}] is there twice: give each address once", field="to")


def _check_chat_url(url: str, schemes: Sequence[str]) -> None:
    match = _CHAT_URL.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None:
        raise InvalidRequest(
            f"url is not a valid chat URL: use at most {MAX_URL} ASCII characters, such as slack://TOKENS, and write"
            " other characters as % and two hexadecimal digits",
            field="url",
        )
    if match[1] not in schemes:
        raise InvalidRequest(
            f"url has the scheme {match[1][:20]}, which is not allowed: use {', '.join(schemes)}, or let an operator"
            " add it to UPTILL_CHAT_SCHEMES",
            field="url",
        )
    for pair in filter(None, (match[2] or "").split("&")):
        name = pair.partition("=")[0]
        if name not in _CHAT_PARAMETERS:
            raise InvalidRequest(
                f"url has a parameter that is not allowed: use only {', '.join(sorted(_CHAT_PARAMETERS))}",
                field="url",
            )
