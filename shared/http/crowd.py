"""The open connections of one process, and which of them to close when there are too many.

A stranger is a connection that has not sent a valid key yet. Strangers are closed first, oldest first; then callers between
two requests. A caller whose request is being answered is never closed.
"""

import asyncio
from typing import Protocol

MOST_SILENT = 1024  # connections that have not sent a request yet
_MOST_STUCK = 128  # strangers that do not read their answers; each holds up to 0.1 MB
_AT_WORK = 2  # requests without a key answered at the same time, so that a caller waits for at most this many
_PAUSE_S = 0.005
_MOST_RESERVE = 64  # extra connections, so that new ones can show a key


class Connection(Protocol):
    """What the crowd needs from a connection."""

    def drop(self) -> None:
        """Close it now."""


Ordered = dict[Connection, None]  # in the order of coming


class Crowd:
    """All connections of a process. Use it only from the event loop's thread."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(_AT_WORK)
        self._all: Ordered = {}
        self._strangers: Ordered = {}
        self._silent: Ordered = {}
        self._stuck: Ordered = {}
        self._resting: Ordered = {}
        self._of_address: dict[str, Ordered] = {}

    async def take_turn(self) -> None:
        """Wait for a turn to answer a request without a key.

        Pause briefly if others wait too, so that these requests leave most of the processor to callers.
        """
        others_wait = self._gate.locked()
        await self._gate.acquire()
        if others_wait:
            await asyncio.sleep(_PAUSE_S)

    def end_turn(self) -> None:
        """End the turn; the next request may start."""
        self._gate.release()

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, one: Connection, address: str | None, most_of_address: int, most: int | None) -> None:
        """Add a connection, and drop others if there are too many. With `address=None` no address limit applies."""
        for group in (self._all, self._strangers, self._silent):
            group[one] = None
        if address is not None:
            same = self._of_address.setdefault(address, {})
            same[one] = None
            self._trim_crowd(same, most_of_address)
        self._trim_crowd(self._silent, MOST_SILENT)
        if most is not None and len(self) > most:
            self._make_room(one, len(self) - most, min(_MOST_RESERVE, most // 8))

    def speak(self, one: Connection) -> None:
        """Record that a request arrived."""
        self._silent.pop(one, None)
        self._resting.pop(one, None)

    def admit(self, one: Connection, address: str | None) -> None:
        """Record that a valid key arrived: the connection is no longer a stranger."""
        self._strangers.pop(one, None)
        self._stuck.pop(one, None)
        self._leave_address(one, address)

    def rest(self, one: Connection) -> None:
        """Record that an answer has ended."""
        if one in self._all:
            self._resting[one] = None

    def stick(self, one: Connection) -> None:
        """Record that an answer waits for its reader."""
        if one in self._strangers:
            self._stuck[one] = None
            self._trim_crowd(self._stuck, _MOST_STUCK)

    def flow(self, one: Connection) -> None:
        """Record that the answer is being read again."""
        self._stuck.pop(one, None)

    def leave(self, one: Connection, address: str | None) -> None:
        """Remove a closed connection."""
        for group in (self._all, self._strangers, self._silent, self._stuck, self._resting):
            group.pop(one, None)
        self._leave_address(one, address)

    def _make_room(self, newest: Connection, missing: int, reserve: int) -> None:
        if len(self._strangers) > reserve or missing > reserve:
            victim = next((one for one in self._strangers if one is not newest), None)
        else:
            victim = None
        victim = victim or next(iter(self._resting), None)
        if victim is not None:
            victim.drop()

    def _trim_crowd(self, group: Ordered, most: int) -> None:
        if len(group) > most:
            next(iter(group)).drop()

    def _leave_address(self, one: Connection, address: str | None) -> None:
        if address is not None and (same := self._of_address.get(address)) is not None:
            same.pop(one, None)
            if not same:
                del self._of_address[address]


class Turn:
    """The turn of one request. Requests of callers need none, so nothing of this makes them wait."""

    def __init__(self, crowd: Crowd, *, is_needed: bool) -> None:
        self._crowd = crowd
        self._is_needed = is_needed
        self._is_held = False

    async def begin(self) -> None:
        """Wait for the turn, unless it is held or not needed."""
        if self._is_needed and not self._is_held:
            await self._crowd.take_turn()
            self._is_held = True

    def end(self) -> None:
        """Let the next request in. The turn may begin again."""
        if self._is_held:
            self._is_held = False
            self._crowd.end_turn()

    def admit(self) -> None:
        """End the turn for good: the caller is known now."""
        self._is_needed = False
        self.end()
