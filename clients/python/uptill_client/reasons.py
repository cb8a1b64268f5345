"""Calls for reasons: the words that polls may give for why a store had a status."""

from collections.abc import Sequence
from dataclasses import dataclass

from uptill_client.ingest_calls import IngestCalls
from uptill_client.paths import encode_segment

_PATH = "/v1/reasons"


@dataclass(frozen=True)
class PollReason:
    """A word that polls may give. `is_builtin`: it came with the release."""

    word: str
    description: str
    is_builtin: bool


@dataclass(frozen=True)
class _Reasons:
    reasons: Sequence[PollReason]


class ReasonCalls(IngestCalls):
    """Calls for reasons. They go to the ingest service, and raise `ApiError` on failure. Changes need the scope admin."""

    def reasons(self) -> Sequence[PollReason]:
        """Return all words, those of the release first."""
        return self._ingest.call(_Reasons, "GET", _PATH).reasons

    def get_reason(self, word: str) -> PollReason:
        """Return one word. Raises `ApiError` with code `reason_not_found`."""
        return self._ingest.call(PollReason, "GET", _reason_path(word))

    def set_reason(self, word: str, description: str = "") -> PollReason:
        """Add a word, or replace its description."""
        return self._ingest.call(PollReason, "PUT", _reason_path(word), json={"description": description})

    def remove_reason(self, word: str) -> None:
        """Remove a word. Polls may no longer give it; those that did keep it."""
        self._ingest.call_or_none(PollReason, "DELETE", _reason_path(word))


def _reason_path(word: str) -> str:
    return f"{_PATH}/{encode_segment(word)}"
