"""Wrong settings and paths, at every entry point: one message that names the setting and the cause, and no traceback."""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.local.ports import HOST
from tests.fixtures import warm_start

_CANARY = "canary-of-a-password"
_AWAY = f"{HOST}:1"
_KEY = {"UPTILL_API_KEY": "upt_x"}
_SERVERS = {
    "UPTILL_DATABASE_URL": f"postgresql://u:{_CANARY}@{_AWAY}/d",
    "UPTILL_REDIS_URL": f"redis://:{_CANARY}@{_AWAY}/0",
    "UPTILL_S3_ENDPOINT": f"http://{_AWAY}",
    "UPTILL_S3_ACCESS_KEY": "key",
    "UPTILL_S3_SECRET_KEY": _CANARY,
}
UPTILL = ("services.cli",)
LIST = (*UPTILL, "reports", "list")
KEYS = (*UPTILL, "keys", "list")
API = ("services.api", "--port", "0")
INGEST = ("services.ingest.http", "--port", "0")
FACTORY = ("uvicorn", "--factory", "services.api.main:create_app", "--port", "0")
INGEST_FACTORY = ("uvicorn", "--factory", "services.ingest.http.main:create_app", "--port", "0")


@dataclass(frozen=True)
class Case:
    """A command with its settings, and what it must say. `{}` in texts is the test's folder."""

    arguments: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    code: int = 2

    def __str__(self) -> str:
        return " ".join([*self.arguments, *(f"{name}={value}" for name, value in self.env.items())])[:120]


def _setting(name: str, value: str, *says: str, at: tuple[str, ...] = LIST, code: int = 2) -> Case:
    return Case(at, {**_KEY, **_SERVERS, f"UPTILL_{name}": value}, (f"UPTILL_{name}", *says), code)


CASES = [
    # addresses
    _setting("API_URL", "127.0.0.1:8000", "must begin with http:// or https://", "'127.0.0.1:8000'"),
    _setting("API_URL", "ftp://host", "must begin with http:// or https://"),
    _setting("API_URL", "http://", "names no host"),
    _setting("API_URL", "http://127.0.0.1:99999", "invalid port"),
    _setting("API_URL", "http://[::1", "not a valid URL"),
    _setting("INGEST_URL", "localhost", "must begin with http:// or https://"),
    _setting("DATABASE_URL", f"mysql://u:{_CANARY}@h/d", "must begin with postgresql://", at=KEYS),
    _setting("DATABASE_URL", _CANARY, "must begin with postgresql://", at=KEYS),
    _setting("DATABASE_URL", f"postgresql://u:{_CANARY}/1@h/d", "invalid port", at=KEYS),
    _setting("DATABASE_URL", "postgresql://u@h:port/d", "invalid port", at=KEYS),
    _setting(
        "DATABASE_URL", f"postgresql://u:{_CANARY}@{_AWAY}/d", "did not answer", "refused", at=KEYS, code=3
    ),
    _setting("DATABASE_URL", "host=127.0.0.1 port=1", "did not answer", "refused", at=KEYS, code=3),
    _setting("DATABASE_URL", "postgresql://nowhere.invalid/d", "nowhere.invalid", at=KEYS, code=3),
    _setting("DATABASE_URL", "postgresql://h/d?x=y", "cannot be read", at=KEYS),
    _setting("DATABASE_URL", "postgresql://u:postgres@h/d", "well-known password", at=KEYS),
    _setting("REDIS_URL", f"http://:{_CANARY}@h", "must begin with redis://", at=API, code=1),
    _setting("S3_ENDPOINT", "s3:8333", "must begin with http:// or https://", at=API, code=1),
    _setting("S3_REGION", "not a region", "UPTILL_S3_ENDPOINT", at=API, code=3),
    _setting("OTLP_ENDPOINT", "collector", "must begin with http:// or https://", at=API, code=1),
    _setting("TRUSTED_PROXIES", "the proxy", "name addresses or networks", at=API, code=1),
    # numbers, words and empty values
    _setting("POOL_SIZE", "many", "must be a valid integer, not 'many'"),
    _setting("POOL_SIZE", "", "is empty: give it a value, or unset it"),
    _setting("POOL_SIZE", "0", "must be at least 1, not '0'"),
    _setting("LEASE_S", "soon", "must be a valid number, not 'soon'"),
    _setting("REJECT_LIMIT", "2", "must be at most 1, not '2'"),
    _setting("LOG_LEVEL", "TRACE", "must be DEBUG, INFO, WARNING or ERROR, not 'TRACE'"),
    _setting("RATE_READ", "fast", "must be a rate such as 100/second", "not 'fast'"),
    _setting("WEBHOOK_ALLOW_PRIVATE", "perhaps", "must be true or false", "not 'perhaps'"),
    _setting("API_KEY", "two words", "not ASCII: copy the key again"),
    _setting("API_KEY", "ключ", "not ASCII: copy the key again"),
    # files of settings
    _setting("API_KEY_FILE", "{}/missing", "cannot read {}/missing: No such file"),
    _setting("API_KEY_FILE", "{}", "cannot read {}: Is a directory"),
    _setting("API_KEY_FILE", "{}/empty", "{}/empty is empty"),
    _setting("API_KEY_FILE", "{}/binary", "{}/binary is not UTF-8 text"),
    Case(LIST, {"UPTILL_DATA": "{}/missing"}, ("UPTILL_API_KEY is not set", "UPTILL_DATA is {}/missing")),
    Case(LIST, {"UPTILL_DATA": "{}/empty"}, ("UPTILL_API_KEY is not set", "UPTILL_DATA is {}/empty")),
    Case(LIST, {"UPTILL_DATA": "{}/broken"}, ("{}/broken/env is not UTF-8 text",)),
    # names of settings
    Case(
        LIST,
        {**_KEY, "UPTILL_API_URL": f"http://{_AWAY}", "UPTILL_DATABSE_URL": "x"},
        ("UPTILL_DATABSE_URL is not a setting", "did you mean UPTILL_DATABASE_URL?", _AWAY, "refused"),
        3,
    ),
    # commands
    Case((*UPTILL, "migrate"), _SERVERS, ("UPTILL_DATABASE_URL", "refused"), 3),
    Case((*UPTILL, "ingest", "{}/polls.csv"), _SERVERS, ("UPTILL_DATABASE_URL", "refused"), 3),
    Case((*UPTILL, "ingest", "s3://bucket/x"), _SERVERS, (f"http://{_AWAY}", "UPTILL_S3_ENDPOINT"), 3),
    Case(("services.ingest", "{}/polls.csv"), {}, ("UPTILL_DATABASE_URL is not set",)),
    Case((*UPTILL, "sample", "{}/empty"), {}, ("{}/empty", "File exists"), 1),
    Case((*UPTILL, "sample", "{}/s", "--stores", "0"), {}, ("at least 1",)),
    Case((*UPTILL, "report", "-o", "{}"), _KEY, ("-o {} is a folder",)),
    Case((*UPTILL, "report", "-o", "{}/no/r.csv"), _KEY, ("the folder {}/no does not exist",)),
    Case((*UPTILL, "report", "-o", ""), _KEY, ("is a folder",)),
    Case((*UPTILL, "upload", "{}"), _KEY, ("is a folder",)),
    Case((*UPTILL, "upload", "{}/missing"), _KEY, ("{}/missing: No such file",), 1),
    Case(
        (*UPTILL, "upload", "{}/polls.csv", "--url", "there"), _KEY, ("--url there must begin with http://",)
    ),
    Case((*UPTILL, "upload", "{}/polls.csv", "--url", f"http://{_AWAY}"), _KEY, (_AWAY, "refused"), 3),
    Case((*UPTILL, "rejects", "x"), {**_KEY, "UPTILL_INGEST_URL": f"http://{_AWAY}"}, (_AWAY, "refused"), 3),
    Case((*UPTILL, "up", "--data", "{}/empty"), {}, ("{}/empty", "File exists"), 1),
    Case((*UPTILL, "up", "--data", "/proc/none"), {}, ("/proc/none",), 1),
    Case((*UPTILL, "up", "--data", "{}/up", "--port", "99999"), {}, ("--port", "65535")),
    Case((*UPTILL, "up", "--data", "{}/up"), {"UPTILL_POOL_SIZE": "x"}, ("UPTILL_POOL_SIZE must be",)),
    Case((*UPTILL, "doctor"), {}, ("UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set",)),
    # services, by all their ways to start
    Case(API, {}, ("UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set",), 1),
    Case(("services.api", "--port", "99999"), _SERVERS, ("--port", "0 to 65535")),
    Case(("services.api", "--port", "x"), _SERVERS, ("--port", "not 'x'")),
    Case(("services.api", "--workers", "0"), _SERVERS, ("--workers",)),
    Case((*INGEST, "--workers", "2"), _SERVERS, ("--workers",)),
    Case((*API, "--workers", "2"), {}, ("UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set",), 1),
    Case(INGEST, {}, ("UPTILL_DATABASE_URL is not set",), 1),
    _setting("SPOOL_DIR", "/proc/none", "/proc/none", at=INGEST, code=3),
    _setting("SPOOL_DIR", "{}/empty", "{}/empty", at=INGEST_FACTORY, code=3),
    Case(FACTORY, {}, ("UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set",), 1),
    _setting("REDIS_URL", "h:6379", "must begin with redis://", at=FACTORY, code=1),
    Case(INGEST_FACTORY, {}, ("UPTILL_DATABASE_URL is not set",), 1),
    Case(("services.worker",), {}, ("UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set",), 1),
    _setting("REDIS_URL", "h:6379", "must begin with redis://", at=("services.worker",), code=1),
    _setting("S3_ENDPOINT", "h", "must begin with http://", at=("services.worker",), code=1),
    Case(("services.scheduler",), {}, ("UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set",), 1),
    _setting("SWEEP_S", "0", "greater than 0", at=("services.scheduler",), code=1),
    Case(("dramatiq", "services.worker.app", "--processes", "1"), {}, ("UPTILL_REDIS_URL are not set",), 1),
    Case(("shared.db",), _SERVERS, ("UPTILL_DATABASE_URL", "refused"), 1),
    Case(("shared.storage",), {**_SERVERS, "UPTILL_S3_BUCKET": "no/bucket"}, ("Invalid bucket name",), 1),
    Case(("shared.storage",), _SERVERS, (f"http://{_AWAY}",), 1),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "env").write_bytes(b"UPTILL_API_KEY=\xff\n")
    (tmp_path / "polls.csv").write_text(
        "store_id,status,timestamp_utc\n0042,active,2024-10-14 18:00:00 UTC\n"
    )
    return tmp_path


def run(arguments: tuple[str, ...], env: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Return the exit code, and everything printed with line ends as spaces."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    ended = warm_start.run(
        [argument.replace("{}", str(folder)) for argument in arguments],
        env={**inherited, **{name: value.replace("{}", str(folder)) for name, value in env.items()}},
        cwd=folder,
        timeout=90,
    )
    return ended.returncode, " ".join((ended.stdout + ended.stderr).decode().split())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wrong_setting_or_path_ends_with_a_message(case: Case, folder: Path) -> None:
    code, printed = run(case.arguments, case.env, folder)
    assert "Traceback" not in printed
    assert "unexpected error" not in printed
    assert _CANARY not in printed
    missing = [text for text in case.says if text.replace("{}", str(folder)) not in printed]
    assert not missing, printed
    assert code == case.code, printed


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 60


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use(env: Mapping[str, str], taken: int, folder: Path) -> None:
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    for service in ("services.api", "services.ingest.http"):
        code, printed = run(
            (service, "--port", str(taken)), {**env, **path, "UPTILL_SPOOL_DIR": "{}/s"}, folder
        )
        assert "Traceback" not in printed
        assert f"'{HOST}', {taken}" in printed
        assert "address already in use" in printed
        # uvicorn's own codes
        assert code in {1, 3}


def test_what_the_database_says_is_passed_on(env: Mapping[str, str], folder: Path) -> None:
    url = urlsplit(env["UPTILL_DATABASE_URL"])
    address = f"{url.hostname}:{url.port}"
    for netloc, path, words in (
        (f"{url.username}:{_CANARY}@{address}", url.path, "password authentication failed"),
        (url.netloc, "/no_such_database", 'database "no_such_database" does not exist'),
    ):
        wrong = url._replace(netloc=netloc, path=path).geturl()
        code, printed = run(
            (*UPTILL, "keys", "list"),
            {"PYTHONPATH": str(Path(__file__).parents[2]), "UPTILL_DATABASE_URL": wrong},
            folder,
        )
        assert words in printed
        assert "UPTILL_DATABASE_URL" in printed
        assert (code, _CANARY in printed, "Traceback" in printed) == (3, False, False)
