"""Every route says who may call it."""

from collections.abc import Iterator
from inspect import isasyncgenfunction, iscoroutinefunction

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from services.api.main import create_app
from services.ingest.http.main import create_app as create_ingest
from shared.http.auth import RequireScope, public
from shared.keys import SCOPES
from shared.settings import Settings


def calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from calls(inner)


def test_every_route_declares_its_scope_or_is_public_on_purpose() -> None:
    settings = Settings(
        database_url="postgresql://nowhere",
        redis_url="redis://nowhere",
        s3_bucket="none",
    )
    routes = [
        context
        for context in iter_route_contexts(create_app(settings).routes)
        if isinstance(context.original_route, APIRoute)
    ]
    assert len(routes) >= 8
    for route in routes:
        called = list(calls(route.dependant))
        scopes = [call.scope for call in called if isinstance(call, RequireScope)]
        is_public = public in called
        assert len(scopes) + is_public == 1, f"{route.path} must declare exactly one of a scope and `public`"
        assert set(scopes) <= set(SCOPES)


def test_no_dependency_of_a_route_goes_through_a_thread() -> None:
    """FastAPI awaits everything it calls for a request: it would run a plain function in a thread, for each call."""
    settings = Settings(database_url="postgresql://nowhere", redis_url="redis://nowhere", s3_bucket="none")
    for app in (create_app(settings), create_ingest(settings)):
        for route in iter_route_contexts(app.routes):
            if isinstance(route.original_route, APIRoute):
                for call in calls(route.dependant):
                    is_awaited = iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)
                    is_awaited = is_awaited or isasyncgenfunction(call)  # a stream of events
                    assert is_awaited, f"{route.path}: {call}"
