"""The running stack is closed to other users: files, addresses, command lines."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from services.local.ports import HOST
from tests.fixtures.buckets import s3_client
from tests.fixtures.local_stack import LocalStack, started
from tests.integration.local.test_kill import endpoints


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with started(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running.await_ready()


def test_files_with_secrets_are_the_owners_only(stack: LocalStack) -> None:
    assert stack.data.stat().st_mode & 0o777 == 0o700
    for name in ("env", "credentials.json", "valkey/valkey.conf", "seaweedfs/seaweedfs.key"):
        assert (stack.data / name).stat().st_mode & 0o777 == 0o600, name


def test_the_settings_are_complete_and_fit_for_a_shell(stack: LocalStack) -> None:
    assert set(stack.settings) == {
        "UPTILL_DATABASE_URL",
        "UPTILL_REDIS_URL",
        "UPTILL_S3_ENDPOINT",
        "UPTILL_S3_PUBLIC_ENDPOINT",
        "UPTILL_S3_BUCKET",
        "UPTILL_S3_ACCESS_KEY",
        "UPTILL_S3_SECRET_KEY",
        "UPTILL_API_URL",
        "UPTILL_API_KEY",
        "UPTILL_INGEST_URL",
        "UPTILL_SPOOL_DIR",
    }
    assert (stack.data / "env").read_text().count("'") == 0


def test_everything_listens_on_the_loopback_address_only(stack: LocalStack) -> None:
    listening = {
        connection.laddr.ip
        for process in stack.everything()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {HOST}


@pytest.mark.parametrize(
    ("part", "path", "status"),
    [
        ("filer", "/buckets/uptill/", 404),
        ("volume", "/1,0123456789", 401),
        ("master", "/dir/assign", 404),
        ("master", "/col/delete?collection=uptill", 404),  # without -disableHttp: every report is gone
    ],
)
def test_the_inner_parts_of_the_object_store_refuse_strangers(
    stack: LocalStack, part: str, path: str, status: int
) -> None:
    servers = endpoints(stack)
    s3 = s3_client(servers)
    s3.put_object(Bucket="uptill", Key="kept", Body=b"object" * 2000)
    port = json.loads((stack.data / "credentials.json").read_text())["ports"][part]
    connection = http.client.HTTPConnection(HOST, port)
    connection.request("GET", path)
    assert connection.getresponse().status == status
    connection.close()
    assert len(s3.get_object(Bucket="uptill", Key="kept")["Body"].read()) == 12_000
    s3.close()


@pytest.mark.parametrize("part", ["master", "volume", "filer", "s3"])
def test_the_parts_of_the_object_store_require_their_certificate(stack: LocalStack, part: str) -> None:
    port = json.loads((stack.data / "credentials.json").read_text())["ports"][f"{part}_grpc"]
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    trust.set_alpn_protocols(["h2"])
    assert _greeting(port, None) == b""
    assert _greeting(port, trust) == b""
    own = stack.data / "seaweedfs"
    trust.load_cert_chain(own / "seaweedfs.crt", own / "seaweedfs.key")
    assert _greeting(port, trust)[3:4] == b"\x04"  # the frame SETTINGS, with which HTTP/2 begins


def _greeting(port: int, tls: ssl.SSLContext | None) -> bytes:
    """The first bytes of a gRPC server, if it says anything to this caller."""
    try:
        with (
            socket.create_connection((HOST, port), timeout=10) as plain,
            tls.wrap_socket(plain) if tls else plain as caller,
        ):
            caller.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            return caller.recv(9)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_no_secret_is_in_a_command_line(stack: LocalStack) -> None:
    settings = stack.settings
    secrets = [
        settings["UPTILL_S3_SECRET_KEY"],
        settings["UPTILL_API_KEY"],
        *(urlsplit(settings[name]).password or "" for name in ("UPTILL_DATABASE_URL", "UPTILL_REDIS_URL")),
    ]
    lines = [" ".join(process.cmdline()) for process in stack.everything()]
    assert all(secrets)
    assert not [line for line in lines for secret in secrets if secret in line]


def test_logs_hold_no_secret(stack: LocalStack) -> None:
    secret = stack.settings["UPTILL_S3_SECRET_KEY"]
    logs: list[Path] = list((stack.data / "logs").iterdir())
    assert len(logs) > 4
    assert not [log for log in logs if secret in log.read_text()]
