"""Real servers for every test that asks: one set a run, and for each test a database, a queue and a bucket of its own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
import redis
from types_boto3_s3 import S3Client
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

from services.local.ports import HOST, PortReservation
from services.local.servers import Endpoints
from tests.fixtures.buckets import fresh_bucket, s3_client
from tests.fixtures.databases import fresh_database, migrated_template
from tests.fixtures.server_run import REDIS_DATABASES, ServerRun, server_run

hypothesis.settings.register_profile("uptill", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("uptill")

_RUN = pytest.StashKey[ServerRun]()
_WORKER_INPUT = "uptill_server_run"
_LONGEST = {"acceptance", "chaos"}, {"local", "architecture"}


def pytest_configure(config: pytest.Config) -> None:
    """The main process owns the run; an xdist worker is told where it is."""
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[_RUN] = ServerRun(Path(worker_input[_WORKER_INPUT]))
    else:
        cleanup = ExitStack()
        config.add_cleanup(cleanup.close)
        config.stash[_RUN] = run = cleanup.enter_context(server_run())
        # Whole installations lie beside the servers, in memory if it has room; `--basetemp` keeps them.
        config.option.basetemp = config.option.basetemp or str(run.directory / "tmp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with what takes long, so that no xdist worker is left with it at the end.

    That is whole installations and local stacks.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folders = item.path.parts
    return next(
        (place for place, names in enumerate(_LONGEST) if not names.isdisjoint(folders)), len(_LONGEST)
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured (`record_property("measured", text)`). Called in the main process, with all reports."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                measured = [text for name, text in report.user_properties if name == "measured"]
                if measured:
                    terminalreporter.section(report.nodeid.rpartition("::")[2])
                    terminalreporter.write_line(str(measured[-1]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Called by xdist in the main process for each worker."""
    node.workerinput[_WORKER_INPUT] = str(node.config.stash[_RUN].directory)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Endpoints:
    """Addresses and credentials of this run's Postgres (superuser), Valkey and S3."""
    return pytestconfig.stash[_RUN].endpoints()


@pytest.fixture
def empty_database_url(servers: Endpoints) -> Iterator[str]:
    """A database with nothing in it."""
    with fresh_database(servers) as url:
        yield url


@pytest.fixture
def database_url(pytestconfig: pytest.Config, servers: Endpoints) -> Iterator[str]:
    """A database with the current schema and no rows."""
    with fresh_database(servers, template=migrated_template(pytestconfig.stash[_RUN], servers)) as url:
        yield url


@pytest.fixture
def redis_url(servers: Endpoints) -> str:
    """An empty numbered database of the queue server; database 0 counts them."""
    return _empty_queue(servers)


def _empty_queue(servers: Endpoints) -> str:
    with redis.Redis.from_url(servers.redis_url) as counter:
        number = 1 + int(counter.incr("databases_given")) % (REDIS_DATABASES - 1)
    url = urlsplit(servers.redis_url)._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def s3(servers: Endpoints) -> Iterator[S3Client]:
    """A client of this run's S3 server."""
    client = s3_client(servers)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: S3Client) -> Iterator[str]:
    """The name of an empty bucket."""
    with fresh_bucket(s3) as name:
        yield name


@pytest.fixture
def env(servers: Endpoints, database_url: str, redis_url: str, bucket: str) -> dict[str, str]:
    """All `UPTILL_*` settings for services started as processes; the API's port is free, its key may do everything."""
    return _make_env(servers, database_url, redis_url, bucket)


@pytest.fixture(scope="module")
def shared_env(pytestconfig: pytest.Config, servers: Endpoints, s3: S3Client) -> Iterator[dict[str, str]]:
    """The same for all tests of a module, which leave nothing behind that another one could see."""
    template = migrated_template(pytestconfig.stash[_RUN], servers)
    with fresh_database(servers, template=template) as database_url, fresh_bucket(s3) as bucket:
        yield _make_env(servers, database_url, _empty_queue(servers), bucket)


def _make_env(servers: Endpoints, database_url: str, redis_url: str, bucket: str) -> dict[str, str]:
    from shared.keys import create_key  # noqa: PLC0415 (only tests that start services need the module)

    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="test", scopes=["admin"])
    with PortReservation(["api"], {}) as reservation:
        port = reservation.ports["api"]
    return {
        "UPTILL_DATABASE_URL": database_url,
        "UPTILL_REDIS_URL": redis_url,
        "UPTILL_S3_ENDPOINT": servers.s3_endpoint,
        "UPTILL_S3_PUBLIC_ENDPOINT": servers.s3_endpoint,
        "UPTILL_S3_BUCKET": bucket,
        "UPTILL_S3_ACCESS_KEY": servers.s3_access_key,
        "UPTILL_S3_SECRET_KEY": servers.s3_secret_key,
        "UPTILL_API_URL": f"http://{HOST}:{port}",
        "UPTILL_API_KEY": key,
        "UPTILL_NOW_EVERY_S": "0",  # tests of live state turn it on; others look at all jobs
        "UPTILL_ALLOWED_HOSTS": "testserver",  # what the client of in-process tests calls the service
    }
