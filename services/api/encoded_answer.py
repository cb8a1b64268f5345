"""Answers that are encoded before the event loop sees them, and sent block by block."""

from typing import Final

from fastapi import Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

# A connection copies what it cannot send at once, and moves the rest for each piece that it sends.
_BLOCK_BYTES: Final = 256 << 10


class EncodedAnswer(Response):
    """A body of JSON. Build it in a thread: encoding 10 MB takes 0.1 s."""

    media_type = "application/json"

    def __init__(self, body: BaseModel) -> None:
        super().__init__(body.__pydantic_serializer__.to_json(body, by_alias=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, a block when the one before is on its way."""
        del scope, receive
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        view = memoryview(self.body)
        for begin in range(0, max(1, len(view)), _BLOCK_BYTES):
            end = begin + _BLOCK_BYTES
            block = bytes(view[begin:end])
            await send({"type": "http.response.body", "body": block, "more_body": end < len(view)})
