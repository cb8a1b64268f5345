"""uvicorn's protocol with a short way for plain requests. h11 reads all others, on the same connection."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.http.plain_requests import PlainCycle, PlainRequest, plain_scope, read_plain


class PlainProtocol(H11Protocol):
    """While a plain request is answered, bytes of the next one wait. To h11 it looks as if it had never been sent."""

    _early = b""

    def data_received(self, data: bytes) -> None:
        """Take received bytes."""
        if isinstance(self.cycle, PlainCycle) and not self.cycle.response_complete:
            self._early += data
            self.flow.pause_reading()
        elif self._is_between_requests() and (request := read_plain(data)) is not None:
            self._unset_keepalive_if_required()
            self.serve_plain(request)
        else:
            super().data_received(data)

    def serve_plain(self, request: PlainRequest) -> None:
        """Let the application answer."""
        self.scope = plain_scope(request, self)
        self.headers = request.headers
        self.cycle = cycle = PlainCycle(
            scope=self.scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self.on_response_complete,
        )
        cycle.body += request.body
        cycle.more_body = False
        cycle.message_event.set()
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Wait for the next request, or take the one that waits."""
        super().on_response_complete()
        early, self._early = self._early, b""
        if early and not self.transport.is_closing():
            self.data_received(early)

    def _is_between_requests(self) -> bool:
        is_idle = self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE
        return is_idle and not self.conn.trailing_data[0] and not self.transport.is_closing()
