"""The process that sends one chat message: `python -m …`, started by `chat.py`. Its exit status is its only answer."""

import json
import logging
import sys
from typing import Any

from shared.webhooks.address import is_public

_REFUSED, _INVALID, _NOT_PUBLIC = 3, 4, 5


class PublicOnly:
    """An audit hook, which Python calls before a socket is used and which nothing can remove."""

    def __init__(self) -> None:
        self.has_refused = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise OSError before anything is sent to an address that is not public, whatever name led to it."""
        if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            return
        address = arguments[1]
        if not (isinstance(address, tuple) and is_public(str(address[0]))):
            self.has_refused = True
            raise OSError("this address is not public")


def send(asked: dict[str, Any]) -> int:
    """Send the message and return the exit status."""
    guard = PublicOnly()
    if not asked["allow_private"]:
        sys.addaudithook(guard)
    import apprise  # noqa: PLC0415 - everything that it opens is guarded

    service = apprise.Apprise.instantiate(asked["url"], suppress_exceptions=True)
    if service is None or not service.verify_certificate or getattr(service, "template", None):
        return _INVALID
    told = service.notify(title=asked["title"], body=asked["body"], body_format=apprise.NotifyFormat.TEXT)
    if told:
        return 0
    return _NOT_PUBLIC if guard.has_refused else _REFUSED


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(send(json.load(sys.stdin)))
