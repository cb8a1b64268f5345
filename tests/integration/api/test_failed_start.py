"""A service whose start fails ends, even while its pools of connections wait for a server that does not answer."""

import asyncio
import socket
from contextlib import closing

import pytest

from shared.db.pools import make_pools
from shared.settings import Settings


class StartFailed(Exception):
    """What any step of a start may raise."""


async def fail_to_start(settings: Settings) -> None:
    async with make_pools(settings, application_name="test").opened():
        await asyncio.sleep(0)
        raise StartFailed


@pytest.mark.timeout(60)
def test_a_failed_start_ends_the_process() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        settings = Settings.model_validate({"database_url": f"postgresql://uptill@127.0.0.1:{port}/uptill"})
        # Before it ends, the loop waits for its tasks, also for those that would connect again and again.
        with pytest.raises(StartFailed):
            asyncio.run(fail_to_start(settings))
