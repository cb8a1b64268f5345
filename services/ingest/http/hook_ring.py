"""The hooks that calls may use, ready to check and map, so that most calls need no query. There are at most 100."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from services.ingest.hooks.mapping import HookMapping
from services.ingest.hooks.signatures import SignatureScheme, make_scheme
from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import HookNotFound
from shared.texts import quoted

REMEMBERED_S: Final = 2.0  # a change applies within this; 5 s are promised
_SQL = queries("hooks")


@dataclass(frozen=True)
class ReadyHook:
    """A hook in force, with the secrets that are valid now."""

    name: str
    version: int
    mapping: HookMapping
    scheme: SignatureScheme
    secrets: Sequence[str] = field(repr=False)


class HookRing:
    """A cache of all hooks. Use it only from the event loop's thread."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._hooks: Mapping[str, ReadyHook] = {}
        self._until_s = 0.0
        self._one_reads = asyncio.Lock()

    async def get(self, name: str) -> ReadyHook:
        """Return a hook. Raise `HookNotFound`."""
        if time.monotonic() >= self._until_s:
            async with self._one_reads:
                if time.monotonic() >= self._until_s:  # no other call has read meanwhile
                    await self._read()
        hook = self._hooks.get(name)
        if hook is None:
            raise HookNotFound(f"hook {quoted(name)} does not exist: check the address of the call")
        return hook

    def forget(self) -> None:
        """Read the hooks again at the next call: one was changed here."""
        self._until_s = 0.0

    async def _read(self) -> None:
        read_s = time.monotonic()
        async with borrowed_async(self._pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(_SQL["hooks_in_force"])).fetchall()
        self._hooks = {row["name"]: _make_ready(row) for row in rows}
        self._until_s = read_s + REMEMBERED_S


def _make_ready(row: Mapping[str, Any]) -> ReadyHook:
    document = row["document"]
    return ReadyHook(
        row["name"],
        row["version"],
        HookMapping.of_document(document["mapping"]),
        make_scheme(document["signature"]),
        [secret for secret in (row["secret"], row["previous_secret"]) if secret is not None],
    )
