"""What the writer of live polls must know of a call of a hook, beside its polls."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self
from uuid import UUID

from services.ingest.hooks.map_items import HookReject

REMEMBERED_MESSAGE_S: Final = 3600  # at least; twice the tolerance of the signature if that is longer


class AlreadyReceived(Exception):
    """A message with this id was stored before, so nothing of this call was."""


@dataclass(frozen=True)
class HookDelivery:
    """Where a call's polls come from.

    `items`: those that became the polls, in order, and `places`: where in the call. `rejects`: those that became none. `message`: by which a repetition is
    recognised, for `keep_s` seconds; None if the sender gives no id. Unless the hook `adds_stores`, polls of unknown ones
    are rejected. If `ignored_calls` is not 0, this is not a
    call, but the number of calls in which no item was wanted.
    """

    hook: str
    version: int
    items: Sequence[object]
    places: Sequence[int]
    rejects: Sequence[HookReject]
    message: UUID | None
    keep_s: int
    adds_stores: bool
    ignored_calls: int = 0

    @classmethod
    def of_ignored(cls, hook: str, calls: int) -> Self:
        """Build the count of ignored calls of a hook."""
        return cls(hook, 0, (), (), (), None, 0, adds_stores=False, ignored_calls=calls)

    @property
    def source(self) -> str:
        """What its rejected items have as their source."""
        return f"hook {self.hook} version {self.version}"


def digest_message(hook: str, message_id: str) -> UUID:
    """Return the key of a message in the table of messages."""
    text = f"{hook}\n{message_id}".encode("utf-8", "surrogateescape")
    return UUID(bytes=blake2b(text, digest_size=16).digest())
