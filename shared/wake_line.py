"""A connection to Redis on which one wake at a time is sent without waiting, so that no other thread must run first."""

from contextlib import suppress

import redis
from dramatiq.brokers.redis import RedisBroker

from shared.contracts import Wake
from shared.queue import wake_commands


class WakeLine:
    """One thread calls `open`, `confirm` and `close`. Any thread may call `send`, after `open` and after each `confirm`."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker
        self._connection = broker.client.connection_pool.make_connection()
        self._is_open = False
        self._unread = 0

    def open(self) -> None:
        """Connect, unless that is done. While Redis is away, nothing is sent."""
        if not self._is_open:
            with suppress(redis.RedisError):
                self._connection.connect()
                self._is_open = True

    def send(self, wake: Wake) -> bool:
        """Send a wake. Return False if it was not sent.

        The call never blocks: all that was sent before is confirmed, so the socket has room for a few hundred bytes.
        """
        if not self._is_open:
            return False
        commands = list(wake_commands(self._broker, wake))
        self._unread = len(commands)
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except redis.RedisError:
            self._is_open = False
            return False
        return True

    def confirm(self) -> None:
        """Wait until Redis has taken what was sent. Raises `redis.RedisError` if it did not."""
        try:
            for _ in range(self._unread):
                answer = self._connection.read_response()
                for error in answer if isinstance(answer, list) else ():
                    if isinstance(error, redis.RedisError):
                        raise error
        except redis.RedisError:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect. `open` connects again."""
        self._is_open = False
        self._connection.disconnect()
