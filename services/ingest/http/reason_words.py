"""Lists, sets and removes the words that polls may give as their reason."""

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.errors import CheckViolation, SequenceGeneratorLimitExceeded
from psycopg.rows import class_row

from shared.audit import record_async
from shared.db.queries import queries
from shared.errors import InvalidRequest, LimitReached, ReasonNotFound
from shared.reason_words import MOST_WORDS, RESERVED_WORDS, WORD_RULE, is_reason_word
from shared.texts import quoted

_SQL = queries("notes")


@dataclass(frozen=True)
class ReasonRow:
    """A word that polls may give, and what it means. `is_builtin`: it came with the release."""

    word: str
    description: str
    is_builtin: bool


async def list_reasons(conn: AsyncConnection) -> list[ReasonRow]:
    """Return all words, those of the release first."""
    return await _select(conn, None)


async def get_reason(conn: AsyncConnection, word: str) -> ReasonRow:
    """Return one word. Raise `ReasonNotFound`."""
    for row in await _select(conn, word):
        return row
    raise ReasonNotFound(f"reason {quoted(word)} does not exist: GET /v1/reasons lists the reasons")


async def put_reason(conn: AsyncConnection, word: str, description: str, changed_by: str) -> ReasonRow:
    """Add a word, or replace its description. Raise `InvalidRequest` and `LimitReached`."""
    if not is_reason_word(word):
        raise InvalidRequest(
            f"{quoted(word)} cannot be the word of a reason: write {WORD_RULE}", field="path.word"
        )
    if word in RESERVED_WORDS:
        raise InvalidRequest(
            f"{quoted(word)} is a kind of outages, so it cannot be the word of a reason: choose another word",
            field="path.word",
        )
    given = {"word": word, "description": description, "most": MOST_WORDS}
    try:
        async with conn.transaction():
            if await (await conn.execute(_SQL["put_reason"], given)).fetchone() is None:
                raise _too_many()
            await record_async(conn, changed_by, "reason.set", word)
    except (CheckViolation, SequenceGeneratorLimitExceeded) as error:
        # Numbers that were drawn and not used are lost.
        raise _too_many() from error
    return await get_reason(conn, word)


async def remove_reason(conn: AsyncConnection, word: str, changed_by: str) -> None:
    """Remove a word: polls may no longer give it, and those that did keep it. Raise `ReasonNotFound`."""
    async with conn.transaction():
        await get_reason(conn, word)
        await conn.execute(_SQL["remove_reason"], {"word": word})
        await record_async(conn, changed_by, "reason.removed", word)


def _too_many() -> LimitReached:
    return LimitReached(
        f"there are {MOST_WORDS:,} reasons, the most that there can be; removed ones count, because stored polls may have"
        " them: use a word that exists or existed"
    )


async def _select(conn: AsyncConnection, word: str | None) -> list[ReasonRow]:
    async with conn.cursor(row_factory=class_row(ReasonRow)) as cursor:
        return await (await cursor.execute(_SQL["list_reasons"], {"word": word})).fetchall()
