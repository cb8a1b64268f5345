"""`uptill doctor`: each failed check names its setting, the address and the cause; nothing is taken for something else."""

import http.server
import json
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from services.local.ports import HOST, free_ports
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services


@pytest.fixture
def web_server() -> Iterator[str]:
    """A server that is not Uptill."""
    with http.server.ThreadingHTTPServer((HOST, 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def findings(services: Services, **env: str) -> dict[str, dict[str, str]]:
    """The findings by component. Standard output is one JSON document, whatever fails."""
    return {one["component"]: one for one in json.loads(services.run("doctor", "--json", **env).stdout)}


def test_all_is_well(services: Services) -> None:
    done = services.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "to do" not in done.stdout
    assert all(one["ok"] for one in findings(services).values())


def test_doctor_data_names_what_may_be_wrong(services: Services) -> None:
    database_url = services.settings["UPTILL_DATABASE_URL"]
    fine = services.run("doctor", "data")
    assert (fine.returncode, "no diagnostic found anything" in fine.stderr) == (0, True), fine.stderr
    load_fleet(database_url, {"odd": Store(timezone="Europe/Berlin", hours=[(0, 3600, 3660)])})
    found = services.run("doctor", "data")
    assert found.returncode == 0, found.stderr
    assert "an opening lasts less than 5 minutes: 1 store (odd)" in found.stdout
    (one,) = json.loads(services.run("doctor", "data", "--json").stdout)
    assert (one["name"], one["severity"], one["count"], one["examples"]) == (
        "short_span",
        "warning",
        1,
        ["odd"],
    )
    with psycopg.connect(database_url) as conn:
        conn.execute("update store set timezone = 'Mars/Olympus' where store_id = 'odd'")
    bad = services.run("doctor", "data")
    assert (bad.returncode, "odd (Mars/Olympus)" in bad.stdout) == (1, True)
    assert services.run("doctor", "data", "--reconcile").returncode == 2


def test_each_failed_check_names_setting_address_and_cause(services: Services) -> None:
    dead = [f"{HOST}:{port}" for port in free_ports(5)]
    away = {
        "UPTILL_DATABASE_URL": f"postgresql://u:canary@{dead[0]}/d",
        "UPTILL_REDIS_URL": f"redis://:canary@{dead[1]}/0",
        "UPTILL_S3_ENDPOINT": f"http://{dead[2]}",
        "UPTILL_API_URL": f"http://{dead[3]}",
        "UPTILL_INGEST_URL": f"http://{dead[4]}",
    }
    found = findings(services, **away)
    components = ("database", "queue", "object store", "API", "ingest")
    for component, (variable, _), address in zip(components, away.items(), dead, strict=True):
        one = found[component]
        assert not one["ok"]
        assert f"{variable} ({address})" in one["advice"]
        assert "refused" in one["state"].lower() or address in one["state"], one["state"]
    printed = services.run("doctor", **away)
    assert printed.returncode == 1
    assert "canary" not in printed.stdout + printed.stderr
    assert "12 of 12 checks failed" in printed.stderr


def test_a_wrong_password_is_called_that(services: Services) -> None:
    url = urlsplit(services.settings["UPTILL_DATABASE_URL"])
    wrong = url._replace(netloc=f"{url.username}:canary@{url.hostname}:{url.port}").geturl()
    one = findings(services, UPTILL_DATABASE_URL=wrong)["database"]
    assert "password authentication failed" in one["state"]
    assert f"UPTILL_DATABASE_URL ({url.hostname}:{url.port})" in one["advice"]


def test_the_api_and_the_ingest_service_are_told_apart(services: Services, web_server: str) -> None:
    api, ingest = (services.settings[f"UPTILL_{name}_URL"] for name in ("API", "INGEST"))
    swapped = findings(services, UPTILL_API_URL=ingest, UPTILL_INGEST_URL=api)
    assert swapped["API"]["state"] == f"{ingest} is the ingest service, not the API"
    assert "UPTILL_API_URL" in swapped["API"]["advice"]
    assert swapped["ingest"]["state"] == f"{api} is the API, not the ingest service"
    other = findings(services, UPTILL_API_URL=web_server)
    for component in ("API", "API key"):
        assert other[component]["state"] == "something else answers there, not this service of Uptill"
        assert f"UPTILL_API_URL ({web_server.removeprefix('http://')})" in other[component]["advice"]
