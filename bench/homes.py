"""Two workers that can only together remember the fleet: which share of the batches each report finds in memory."""

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack

from bench.figures import Figure, Target
from bench.stand import Stand
from tests.fixtures.metrics import free_ports, on_port, scrape
from tests.fixtures.services import Services

_WARM_UP = 4
# Measured: what a worker remembers of a store, in bytes. Of the fleet, each of two has room for its half and a quarter.
_STORE_BYTES = 800
_SHARE = 0.75


def run_homes(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Request the same report again and again."""
    cache_mb = max(1, round(stand.fleet.stores * _STORE_BYTES * _SHARE / (1 << 20)))
    with (
        Services(stand.env, stand.folder / "logs", warm=False) as services,
        services.client() as client,
        ExitStack() as stack,
    ):
        ports = stack.enter_context(free_ports("one", "two")).values()
        services.api()
        services.scheduler()
        for port in ports:
            services.worker(UPTILL_CACHE_MB=str(cache_mb), **on_port(port))
        shares, seconds = [], []
        for _ in range(_WARM_UP + rounds):
            before = _count_inputs(ports)
            began = time.perf_counter()
            *_, status = client.follow(client.create_report(force=True, policy="carry").id)
            seconds.append(time.perf_counter() - began)
            assert status.state == "succeeded", status.error
            memory, every = (after - then for after, then in zip(_count_inputs(ports), before, strict=True))
            shares.append(memory / every)
    return [
        Figure(
            f"batches found in memory, two workers of {cache_mb} MB",
            "1",
            shares[_WARM_UP:],
            target=Target(">=", 1),
        ),
        Figure(f"trigger to link, two workers of {cache_mb} MB", "s", seconds[_WARM_UP:]),
    ]


def _count_inputs(ports: Collection[int]) -> tuple[float, float]:
    """Return how many batches the workers found in memory, and how many they computed."""
    memory = every = 0.0
    for port in ports:
        for (name, labels), value in scrape(port).items():
            if name == "uptill_batch_inputs_total":
                every += value
                memory += value * (("source", "memory") in labels)
    return memory, every
