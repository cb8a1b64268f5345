"""Find out whether Redis takes messages, and why not. A full or read-only server still answers a ping."""

from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_PROBE_TIMEOUT_S = 0.5
_PROBE_KEY = "uptill:probe"
_PROBE_EXPIRES_S = 60
OK = "ok"
# By the first word of the server's error.
_REFUSALS = {
    "OOM": (
        "full",
        "Redis is full (maxmemory is reached): raise maxmemory, or remove keys of other programs",
    ),
    "READONLY": ("read_only", "Redis is a read-only replica: set UPTILL_REDIS_URL to the primary"),
    "LOADING": ("loading", "Redis is still loading its data: wait until it has finished"),
    "MISCONF": ("cannot_save", "Redis cannot save to its disk and refuses writes: free space on it"),
    "MASTERDOWN": (
        "read_only",
        "Redis is a replica without its primary: set UPTILL_REDIS_URL to the primary",
    ),
    "NOREPLICAS": ("refuses", "Redis lacks the replicas that min-replicas-to-write asks for: start them"),
    "NOAUTH": ("refuses", "Redis asks for a password: set it in UPTILL_REDIS_URL"),
    "WRONGPASS": ("refuses", "Redis refuses the password: correct it in UPTILL_REDIS_URL"),
    "NOPERM": ("refuses", "Redis does not let this user write: change its ACL"),
}
# The driver has classes for some errors, and removes their first word.
_CLASSES = (
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.AuthenticationError, "WRONGPASS"),
)
STATES = (OK, "silent", "full", "read_only", "loading", "cannot_save", "refuses")


@dataclass(frozen=True)
class QueueState:
    """One of `STATES`, and a text for the operator: "ok", or what is wrong and what to do."""

    state: str
    detail: str

    @property
    def takes_messages(self) -> bool:
        """Whether a message would be stored."""
        return self.state == OK


def state_of(error: redis.RedisError) -> QueueState:
    """Return the state of the server that a driver error implies."""
    text = str(error)
    named = (word for kind, word in _CLASSES if isinstance(error, kind))
    word = next(named, text.split(" ", 1)[0])
    if word in _REFUSALS:
        return QueueState(*_REFUSALS[word])
    if isinstance(error, redis.ResponseError):
        return QueueState("refuses", f"Redis refuses a write ({text[:200]})")
    return QueueState("silent", "Redis did not answer")


class QueueProbe:
    """Checks Redis with a write, on a connection of its own. Use it from one thread at a time."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url,
            socket_timeout=_PROBE_TIMEOUT_S,
            socket_connect_timeout=_PROBE_TIMEOUT_S,
            retry=Retry(NoBackoff(), retries=0),
        )

    def check_state(self) -> QueueState:
        """Check now. Each round trip takes at most half a second."""
        try:
            self._client.set(_PROBE_KEY, "", ex=_PROBE_EXPIRES_S)
        except redis.RedisError as error:
            return state_of(error)
        return QueueState(OK, OK)

    def takes_messages(self) -> bool:
        """Return whether a message would be stored."""
        return self.check_state().takes_messages

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
