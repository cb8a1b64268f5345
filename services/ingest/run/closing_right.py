"""The right to declare closures by a file. They change reports, so a file needs the scopes that a call needs."""

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final

from services.ingest.parse.directory import EVERY_STORE
from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.parse.refusals import ChunkRefused
from shared.errors import BadInputFile

_REASON: Final = "scope"
_NO_CLOSURES: Final = (
    "it declares closures, and the key that sent it lacks the scope closures:write; send it with another key"
)
_NOT_EVERY_STORE: Final = (
    "it declares a closure of every store (*), and the key that sent it lacks the scope admin; send it with an"
    " administrator's key, or leave out the rows of *"
)


class ClosingRight(Enum):
    """The stores whose closures a file may declare. Files of the command and of watched folders may declare any."""

    NONE = auto()
    SINGLE_STORES = auto()
    ALL = auto()

    @classmethod
    def of_scopes(cls, scopes: Sequence[str]) -> "ClosingRight":
        """Return what the key of an upload may do."""
        if "admin" in scopes:
            return cls.ALL
        return cls.SINGLE_STORES if "closures:write" in scopes else cls.NONE

    def check(self, parsed: Iterator[ParsedLocalHours]) -> Iterator[ParsedLocalHours]:
        """Yield the chunks of a file of closures. Raise `BadInputFile` if the sender may not declare them."""
        if self is ClosingRight.NONE:
            raise BadInputFile(_REASON, _NO_CLOSURES)
        for chunk in parsed:
            if self is not ClosingRight.ALL and EVERY_STORE in chunk.new_ids:
                refused = ChunkRefused(_REASON, _NOT_EVERY_STORE)
                refused.rejects = chunk.rejects
                raise refused
            yield chunk
