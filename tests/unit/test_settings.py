"""Settings come from the environment or from files, say what is missing, and never show a secret."""

from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.setting_checks import check_address, list_unknown_names, show_address
from shared.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"UPTILL_{name.upper()}", raising=False)
        monkeypatch.delenv(f"UPTILL_{name.upper()}_FILE", raising=False)


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("UPTILL_S3_SECRET_KEY_FILE", str(secret))
    assert load_settings().s3_secret_key.get_secret_value() == "s3cret"
    monkeypatch.setenv("UPTILL_S3_SECRET_KEY", "direct")
    assert load_settings().s3_secret_key.get_secret_value() == "direct"


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPTILL_REDIS_URL_FILE", "/nowhere/redis")
    with pytest.raises(ConfigurationError, match="UPTILL_REDIS_URL_FILE: cannot read /nowhere/redis"):
        load_settings()


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text("UPTILL_S3_BUCKET=from-file\nUPTILL_API_URL=http://file:1\n")
    monkeypatch.setenv("UPTILL_S3_BUCKET", "from-environment")
    settings = load_settings(env)
    assert (settings.s3_bucket, settings.api_url) == ("from-environment", "http://file:1")


def test_what_is_wrong_is_named_with_its_value_unless_that_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPTILL_LEASE_S", "soon")
    monkeypatch.setenv("UPTILL_REDIS_URL", "canary")
    monkeypatch.setenv("UPTILL_S3_ENDPOINT", "ftp://user:canary@host")
    monkeypatch.setenv("UPTILL_PRESIGN_S", "86400")
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert "UPTILL_LEASE_S must be a valid number, not 'soon'" in str(raised.value)
    assert "UPTILL_PRESIGN_S" in str(raised.value)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("kept", ["polls", "reports", "rejects", "imports"])
def test_what_is_kept_is_kept_for_ever_or_for_whole_days(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert getattr(load_settings(), f"{kept}_keep_days") == 0
    for value in ("-1", "0.5", "week"):
        monkeypatch.setenv(f"UPTILL_{kept.upper()}_KEEP_DAYS", value)
        with pytest.raises(ConfigurationError, match=f"UPTILL_{kept.upper()}_KEEP_DAYS"):
            load_settings()


def test_what_is_needed_and_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match="UPTILL_DATABASE_URL, UPTILL_REDIS_URL are not set"):
        load_settings().require("database_url", "redis_url", "s3_bucket")


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("DATABASE_URL", "postgresql://u:canary@h/d"),
        ("REDIS_URL", "redis://:canary@h"),
        ("S3_SECRET_KEY", "canary"),
        ("API_KEY", "canary"),
    ):
        monkeypatch.setenv(f"UPTILL_{name}", value)
    assert "canary" not in repr(load_settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "postgresql://u:p%2F@host:5432,other:5433/d"),
        ("database_url", "postgres://host/d"),
        ("database_url", "postgresql:///d?host=/var/run/postgresql"),
        ("database_url", "host=/var/run/postgresql dbname=d"),
        ("redis_url", "rediss://:p@[::1]:6379/0"),
        ("redis_url", "unix:///run/redis.sock"),
        ("s3_endpoint", "https://s3.example.com"),
        ("api_url", "http://[::1]:8000/behind/a/proxy"),
        ("api_url", ""),
    ],
)
def test_addresses_that_servers_understand_are_accepted(name: str, value: str) -> None:
    assert check_address(name, value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://u:canary@host:5432/d", "host:5432"),
        ("host=db port=5433 password=canary", "db:5433"),
        ("redis://:canary@host/0", "host"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_password(value: str, shown: str) -> None:
    assert show_address(value) == shown


def test_variables_that_are_not_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "UPTILL_POOLSIZE",
        "UPTILL_SERVICE_PORT_8000_TCP",
        "UPTILL_API_PORT",
        "UPTILL_DATA",
        "UPTILL_API_KEY_FILE",
    ):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("UPTILL_NO_SUCH_THING", "x")
    found = list(list_unknown_names("UPTILL_", Settings.model_fields))
    assert [text.split()[0] for text in found] == ["UPTILL_NO_SUCH_THING", "UPTILL_POOLSIZE"]
    assert found[1].endswith("did you mean UPTILL_POOL_SIZE?")


def test_links_are_signed_for_the_public_endpoint_or_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPTILL_S3_ENDPOINT", "http://s3:8333")
    assert load_settings().s3_public_endpoint == "http://s3:8333"
    monkeypatch.setenv("UPTILL_S3_PUBLIC_ENDPOINT", "https://files.example")
    assert load_settings().s3_public_endpoint == "https://files.example"


def test_an_empty_file_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a container that shares its environment with others says that it has no such secret."""
    monkeypatch.setenv("UPTILL_DATABASE_URL_FILE", "")
    assert load_settings().database_url.get_secret_value() == ""


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (
            "postgresql://u:p%40@a:5432,b:5433/db",
            "postgresql://u:p%40@a:5432,b:5433/db?target_session_attrs=read-write",
        ),
        (
            "postgresql://u:p@a,b/db?sslmode=require",
            "postgresql://u:p@a,b/db?sslmode=require&target_session_attrs=read-write",
        ),
        (
            "postgresql://u:p@a,b/db?target_session_attrs=any",
            "postgresql://u:p@a,b/db?target_session_attrs=any",
        ),
        ("postgresql://u:p@a/db", "postgresql://u:p@a/db"),
        ("host=a,b dbname=db", "host=a,b dbname=db"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_used(
    monkeypatch: pytest.MonkeyPatch, given: str, used: str
) -> None:
    monkeypatch.setenv("UPTILL_DATABASE_URL", given)
    assert load_settings().database_url.get_secret_value() == used


@pytest.mark.parametrize("odd", ["1e400", "inf", "nan"])
def test_a_number_is_finite(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPTILL_SWEEP_S", odd)
    with pytest.raises(ConfigurationError, match=f"must be a finite number, not '{odd}'"):
        load_settings()


def test_no_time_is_too_long_for_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        # A rate is no time.
        if name.endswith(("_s", "_days")) and not name.endswith("_per_s"):
            with monkeypatch.context() as patch:
                patch.setenv(f"UPTILL_{name.upper()}", "10000000000")
                with pytest.raises(ConfigurationError, match=f"UPTILL_{name.upper()}"):
                    load_settings()
