"""Named places where a test can make a process die, fail or sleep. Off unless two variables turn them on.

`UPTILL_FAILPOINTS="upload.after=kill"` (or `raise`, `sleep:5`) acts at the first hit in the process. It also needs
`UPTILL_FAILPOINTS_CONFIRM="I want this process to fail"`. When off, a hit calls an empty function.
"""

import os
import signal
import time
from collections.abc import Mapping

import structlog

from shared.errors import ConfigurationError

CONFIRMATION = "I want this process to fail"
NAMES = (
    "trigger.before_commit",
    "trigger.after_commit",
    "publish.partial",
    "publish.after",
    "claim.after_commit",
    "load.after",
    "compute.after",
    "upload.after",
    "export.after_file",
    "export.after_manifest",
    "seal.after_file",
    "seal.after_check",
    "open.after_copy",
    "complete.before_commit",
    "complete.after_commit",
    "finalise.after_claim",
    "reread.after_upload",
    "reread.after_commit",
    "merge.after_part",
    "merge.after",
    "finish.before_commit",
    "finish.after_commit",
    "ack.before",
    "sweep.before_publish",
    "bury.before_commit",
    "expire.after_commit",
    "webhook.after_send",
    "channel.after_send",
    "schedule.before_commit",
    "schedule.after_commit",
    "delivery.after_copy",
    "incidents.before_commit",
    "incidents.after_commit",
    "hooks.before_commit",
    "hooks.after_commit",
    "level.after_claim",
    "level.before_commit",
    "level.after_commit",
    "kafka.after_claim",
    "kafka.after_assign",
    "kafka.after_take",
    "kafka.before_polls",
    "kafka.after_polls",
    "kafka.before_commit",
    "kafka.after_commit",
)


class FailpointError(Exception):
    """Raised where a test asked for it."""


class _Armed:
    """One failpoint that acts once."""

    def __init__(self, name: str, action: str) -> None:
        self.name, self.action = name, action
        self._is_spent = False

    def __call__(self, name: str) -> None:
        if name != self.name or self._is_spent:
            return
        self._is_spent = True
        structlog.get_logger().warning("failpoint_hit", failpoint=name, action=self.action)
        kind, _, argument = self.action.partition(":")
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "raise":
            raise FailpointError(name)
        else:
            time.sleep(float(argument))


class _Off:
    """What a hit calls in production."""

    def __call__(self, name: str) -> None:
        pass


def parse(environment: Mapping[str, str]) -> _Armed | _Off:
    """Read which failpoint to arm. Raises `ConfigurationError` for an unknown name or action, or without confirmation."""
    text = environment.get("UPTILL_FAILPOINTS", "")
    if not text:
        return _Off()
    if environment.get("UPTILL_FAILPOINTS_CONFIRM") != CONFIRMATION:
        raise ConfigurationError("UPTILL_FAILPOINTS is set: this process would fail on purpose; unset it")
    name, _, action = text.partition("=")
    kind, _, argument = action.partition(":")
    known = kind in {"kill", "raise"} or (kind == "sleep" and argument.replace(".", "", 1).isdigit())
    if name not in NAMES or not known:
        raise ConfigurationError(
            f"invalid UPTILL_FAILPOINTS {text!r}: use NAME=kill, NAME=raise or NAME=sleep:SECONDS"
        )
    return _Armed(name, action)


hit = parse(os.environ)
