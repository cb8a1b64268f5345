"""Use cases that speak asyncio, over a session that waits for its turn before each statement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import psycopg

from tests.chaos.turns import Session


class TurnByTurn:
    """The little of an asyncio connection that the use cases need, over a session that waits for its turn."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def autocommit(self) -> bool:
        return self._session.autocommit

    @property
    def closed(self) -> bool:
        return self._session.closed

    @property
    def info(self) -> psycopg.ConnectionInfo:
        return self._session.info

    async def set_autocommit(self, value: bool) -> None:
        self._session.autocommit = value

    async def rollback(self) -> None:
        self._session.rollback()

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        return _Result(self._session.execute(*arguments, **options))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self._session.transaction():
            yield

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[Self]:
        yield self

    async def sync(self) -> None:
        """Do nothing: each statement has a turn of its own, so nothing is sent ahead."""

    def cursor(self, **options: Any) -> "_AsyncCursor":
        return _AsyncCursor(self._session, options)


class _Result:
    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor, self.rowcount = cursor, cursor.rowcount

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchall(self) -> Any:
        return self._cursor.fetchall()


class _AsyncCursor:
    def __init__(self, session: Session, options: dict[str, Any]) -> None:
        self._session, self._cursor = session, session.cursor(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cursor.close()

    async def execute(self, *arguments: Any) -> None:
        self._session.wait_for_turn()
        self._cursor.execute(*arguments)

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchall(self) -> Any:
        return self._cursor.fetchall()
