"""One command to Redis that waits for messages and fetches them, by Dramatiq's own script (docs/decisions/0031)."""

import time
from contextlib import suppress

import redis
from dramatiq.brokers.redis import RedisBroker, _scripts
from dramatiq.errors import ConnectionClosed

# Each wait ends with a fetch, which is also the consumer's heartbeat. Dramatiq gives up on it after 15 s.
_WAIT_S = 10
# A server that has not answered this long after the wait has ended does not answer any more.
_LATE_S = 5.0
# The script takes its time as an argument. It runs seconds after it was sent, so it asks Redis for the time instead.
_WHEN_IT_RUNS = """local ran_at = redis.call("TIME")
ARGV[2] = ran_at[1] * 1000 + math.floor(ran_at[2] / 1000)
"""


class WaitingFetch:
    """A connection on which one fetch at a time waits in Redis until the queue has a message, or for ten seconds.

    For one thread. Calls raise what the client raises, and `ConnectionClosed` if Redis answers too late.
    """

    def __init__(self, broker: RedisBroker, queue_name: str) -> None:
        self._broker, self._queue = broker, queue_name
        self._list = f"{broker.namespace}:{queue_name}"
        self._connection = broker.client.connection_pool.make_connection()
        self._script_sha = ""
        self._since_s: float | None = None
        # Whether a command between the wait and the fetch takes a message to this worker alone.
        self._asks_home = False

    @property
    def is_waiting(self) -> bool:
        """Whether a fetch was sent whose answer was not read."""
        return self._since_s is not None

    def send(self, most: int, own_list: str | None) -> None:
        """Ask for up to `most` messages. The first may come from `own_list`; then there may be one too many."""
        commands: list[tuple[str | int, ...]] = [("BLMOVE", self._list, self._list, "LEFT", "LEFT", _WAIT_S)]
        if own_list is not None:
            commands.append(("LPOP", own_list))
        commands.append(self._fetch(max(1, most - (own_list is not None))))
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        self._asks_home, self._since_s = own_list is not None, time.monotonic()

    def has_answer(self, within_s: float) -> bool:
        """Return whether the wait has ended."""
        if self._connection.can_read(within_s):
            return True
        if self._since_s is not None and time.monotonic() > self._since_s + _WAIT_S + _LATE_S:
            raise ConnectionClosed("Redis did not answer")
        return False

    def read(self) -> tuple[object, list[bytes]]:
        """Return the message of the own list, if there was one, and those of the queue."""
        self._connection.read_response()
        from_home = self._connection.read_response() if self._asks_home else None
        messages: list[bytes] = self._connection.read_response()
        self._since_s = None
        return from_home, messages

    def close(self) -> list[bytes]:
        """Disconnect, so that Redis forgets the wait. Return the messages that it had sent already."""
        messages: list[bytes] = []
        with suppress(redis.RedisError):
            if self.is_waiting and self._connection.can_read(0):
                _, messages = self.read()
        self._connection.disconnect()
        return messages

    def _fetch(self, most: int) -> tuple[str | int, ...]:
        broker = self._broker
        if not self._script_sha:
            self._script_sha = self._load_script()
        given = (broker.broker_id, broker.heartbeat_timeout, broker.dead_message_ttl)
        limits = (broker._should_do_maintenance("fetch"), broker._max_unpack_size())
        return (
            "EVALSHA",
            self._script_sha,
            1,
            broker.namespace,
            "fetch",
            0,
            self._queue,
            *given,
            *limits,
            most,
        )

    def _load_script(self) -> str:
        script = _WHEN_IT_RUNS + _scripts["dispatch"].decode()
        self._connection.send_command("SCRIPT", "LOAD", script)
        sha: bytes = self._connection.read_response()
        return sha.decode()
