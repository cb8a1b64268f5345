"""Send a message to a chat service, in a process of its own that can be ended and that reaches public addresses only.

The process gets the URL, which is a secret, on its standard input, and nothing of this process's environment but what
Python needs. What it prints is not kept.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from services.scheduler.channels.content import Content
from services.scheduler.channels.writing import write_plain
from shared.channels.model import MessageLease
from shared.webhooks.model import AttemptOutcome

_PROCESS: Final = "services.scheduler.channels.chat_process"
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "LANG")
# By the exit status of the process. It must not print what the chat service said.
_ERRORS: Final = {
    3: "the chat service did not accept the message",
    4: "the chat URL is not valid for its service: set the channel again",
    5: "it leads to an address that is not public",
}


@dataclass(frozen=True)
class ChatTerms:
    """Whether private addresses may be reached, and how long one attempt may take."""

    allow_private: bool
    timeout_s: float = 30.0


# Many people name stores, labels and schedules. Chat services would notify everybody of a name such as @everyone, drop what
# looks like a tag, and make a link of [text](address).
_ACTIVE: Final = re.compile(r"@(?=\w)|\](?=\()")
_ANGLES: Final = str.maketrans("<>", "\u2039\u203a")


def without_markup(text: str) -> str:
    """Return the text so that a chat service shows it and does no more: with zero-width spaces, and other angle brackets."""
    return _ACTIVE.sub(lambda found: f"{found[0]}\u200b", text.translate(_ANGLES))


def send_chat(terms: ChatTerms, lease: MessageLease, content: Content) -> AttemptOutcome:
    """Send once. Errors name neither the address nor what the service said."""
    asked = {
        "url": lease.destination["url"],
        "title": without_markup(content.title),
        "body": without_markup(write_plain(content)),
        "allow_private": terms.allow_private,
    }
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        ended = subprocess.run(
            [sys.executable, "-m", _PROCESS],
            input=json.dumps(asked).encode(),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=terms.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return AttemptOutcome(None, f"no answer within {terms.timeout_s:g} s")
    if ended.returncode == 0:
        return AttemptOutcome(None)
    return AttemptOutcome(None, _ERRORS.get(ended.returncode, "the chat process failed"))
