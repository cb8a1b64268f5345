"""End a service that cannot start with one line that says why, however it was started: no traceback."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import ConfigurationError
from shared.explain import explain
from shared.settings import Settings
from shared.telemetry import configure_logging

_log = structlog.get_logger()
Factory = Callable[[Settings | None], FastAPI]


def exits_plainly(service: str) -> Callable[[Factory], Callable[..., FastAPI]]:
    """Decorate a factory: called without settings, as uvicorn does, log an invalid setting and exit with status 1."""

    def decorate(create: Factory) -> Callable[..., FastAPI]:
        @wraps(create)
        def create_or_exit(settings: Settings | None = None) -> FastAPI:
            if settings is not None:
                return create(settings)
            configure_logging(service, "INFO")
            with exiting_plainly():
                app = create(None)
            # Modules and routes stay for ever: the garbage collector need not look at them again and again.
            gc.collect()
            gc.freeze()
            # By default it looks at all others after every few hundred calls of a hook, a tenth of their cost (measured).
            gc.set_threshold(10_000)
            return app

        return create_or_exit

    return decorate


@contextmanager
def exiting_plainly() -> Iterator[None]:
    """Log an invalid setting and exit with status 1."""
    try:
        yield
    except ConfigurationError as error:
        # The text says it; a traceback adds nothing.
        _log.error("cannot_run", error=explain(error))
        raise SystemExit(1) from None


class PlainStartup:
    """ASGI middleware: if a setting keeps the service from starting, the server logs its text and no traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on except the traceback of a refused start."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_plainly(message: Message) -> None:
            refusal = getattr(scope["app"].state, "refusal", "")
            if message["type"] == "lifespan.startup.failed" and refusal:
                message = {**message, "message": refusal}
            await send(message)

        await self._app(scope, receive, send_plainly)
