"""The open connections of one process, and which of them make room for new ones.

A stranger has not shown a valid key on its connection yet. Strangers make room first, the oldest before the newest; then
callers between two requests. A caller who is being answered never does.
"""

import asyncio
from typing import Protocol

MOST_SILENT = 1024  # connections that have not sent a request yet
_MOST_STUCK = 128  # strangers who do not read their answers; each holds up to 0.1 MB
_AT_WORK = 2  # requests without a key that are answered at a time: a caller never waits for more of them
_PAUSE_S = 0.005
_MOST_RESERVE = 64  # connections beyond the limit, for fresh ones to be looked at


class Connection(Protocol):
    """What the crowd needs of a connection."""

    def drop(self) -> None:
        """Close it now."""


Ordered = dict[Connection, None]  # in the order of coming


class Crowd:
    """Every connection of a process. Only the event loop's thread may touch it."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(_AT_WORK)
        self._all: Ordered = {}
        self._strangers: Ordered = {}
        self._silent: Ordered = {}
        self._stuck: Ordered = {}
        self._resting: Ordered = {}
        self._of_address: dict[str, Ordered] = {}

    async def take_turn(self) -> None:
        """Wait for one of the places of requests without a key.

        Where others wait too there is a pause before each: they may have a part of the processor, and callers the rest.
        """
        others_wait = self._gate.locked()
        await self._gate.acquire()
        if others_wait:
            await asyncio.sleep(_PAUSE_S)

    def end_turn(self) -> None:
        """Let the next one in."""
        self._gate.release()

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, one: Connection, address: str | None, most_of_address: int, most: int | None) -> None:
        """Take a connection in; others are dropped if there are too many. `address` None: it is not counted by that."""
        for group in (self._all, self._strangers, self._silent):
            group[one] = None
        if address is not None:
            same = self._of_address.setdefault(address, {})
            same[one] = None
            self._trim(same, most_of_address)
        self._trim(self._silent, MOST_SILENT)
        if most is not None and len(self) > most:
            self._make_room(one, len(self) - most, min(_MOST_RESERVE, most // 8))

    def speak(self, one: Connection) -> None:
        """Note that a request has come."""
        self._silent.pop(one, None)
        self._resting.pop(one, None)

    def admit(self, one: Connection, address: str | None) -> None:
        """Note that a valid key has come: it is no stranger from now on."""
        self._strangers.pop(one, None)
        self._stuck.pop(one, None)
        self._leave_address(one, address)

    def rest(self, one: Connection) -> None:
        """Note that an answer has ended."""
        if one in self._all:
            self._resting[one] = None

    def stick(self, one: Connection) -> None:
        """Note that an answer waits to be read."""
        if one in self._strangers:
            self._stuck[one] = None
            self._trim(self._stuck, _MOST_STUCK)

    def flow(self, one: Connection) -> None:
        """Note that it is being read again."""
        self._stuck.pop(one, None)

    def leave(self, one: Connection, address: str | None) -> None:
        """Forget a connection that is closed."""
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

    def _trim(self, group: Ordered, most: int) -> None:
        if len(group) > most:
            next(iter(group)).drop()

    def _leave_address(self, one: Connection, address: str | None) -> None:
        if address is not None and (same := self._of_address.get(address)) is not None:
            same.pop(one, None)
            if not same:
                del self._of_address[address]
