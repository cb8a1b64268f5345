"""Several database sessions in threads of which one moves at a time, up to its next statement or COMMIT; a seed draws which."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Self

import psycopg

_MOVE_S = 0.0005
_PATIENCE_MOVES = 20_000
Script = Callable[["Session"], None]


class Session(psycopg.Connection):
    """A connection that asks for its turn before each statement and each COMMIT."""

    wait_for_turn: Callable[[], None] = staticmethod(lambda: None)

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self.wait_for_turn()
        return super().execute(*arguments, **options)

    def commit(self) -> None:
        self.wait_for_turn()
        super().commit()

    @contextmanager
    def transaction(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        with super().transaction(*arguments, **options) as transaction:
            yield transaction
            self.wait_for_turn()


class Player(Thread):
    """Runs one script through one session."""

    def __init__(self, database_url: str, script: Script) -> None:
        super().__init__(daemon=True)
        self._script = script
        self._session: Session = Session.connect(database_url)
        self._session.wait_for_turn = self._wait_for_turn
        self.backend_pid = self._session.info.backend_pid
        self._may_move, self.is_waiting = Event(), Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self._session:
                self._script(self._session)
        except BaseException as error:  # noqa: BLE001 - told by `play`
            self.error = error

    def move(self) -> None:
        """Let it go on to its next statement."""
        self.is_waiting.clear()
        self._may_move.set()

    def _wait_for_turn(self) -> None:
        self.is_waiting.set()
        self._may_move.wait()
        self._may_move.clear()


class Game:
    """Plays scripts against one database; keeps a session of its own to see who waits for a lock."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def __enter__(self) -> Self:
        self._observer = psycopg.connect(self._database_url, autocommit=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._observer.close()

    def play(self, seed: int, scripts: Mapping[str, Script]) -> list[str]:
        """Run all to their ends; returns who moved, in order. Raises what a script raised."""
        draw = random.Random(seed)
        pace = {
            name: draw.random() ** 3 + 0.001 for name in scripts
        }  # some come late, whatever they have to do
        players = {name: Player(self._database_url, script) for name, script in scripts.items()}
        for player in players.values():
            player.start()
        moves: list[str] = []
        while any(player.is_alive() for player in players.values()):
            ready = [name for name, player in players.items() if self._stands(player) and player.is_alive()]
            movable = [name for name in ready if players[name].is_waiting.is_set()]
            if movable:
                (name,) = draw.choices(movable, [pace[name] for name in movable])
                moves.append(name)
                players[name].move()
        for player in players.values():
            if player.error is not None:
                raise player.error
        return moves

    def _stands(self, player: Player) -> bool:
        """Return once it waits for its turn, has ended, or waits for a lock that another player holds."""
        for _ in range(_PATIENCE_MOVES):
            if player.is_waiting.wait(_MOVE_S) or not player.is_alive():
                return True
            blockers = self._observer.execute("select pg_blocking_pids(%s)", [player.backend_pid]).fetchone()
            if blockers and blockers[0]:
                return True
        raise TimeoutError("a session neither moves nor waits")
