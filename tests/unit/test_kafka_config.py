"""What Kafka's client is configured with, and which settings are refused with what to do."""

from pathlib import Path
from typing import Any

import pytest

from services.ingest.kafka.config import list_topics, make_config, make_terms
from shared.errors import ConfigurationError
from shared.settings import Settings
from tests.fixtures.certificates import certificate


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"kafka_brokers": "127.0.0.1:1", "kafka_topics": "a", **given})


def test_a_client_without_tls_and_password() -> None:
    config = make_config(settings(kafka_group="g", kafka_session_s=20))
    assert config["security.protocol"] == "plaintext"
    assert (config["group.id"], config["session.timeout.ms"], config["heartbeat.interval.ms"]) == (
        "g",
        20_000,
        2_000,
    )
    assert not [name for name in config if name.startswith(("ssl", "sasl"))]


def test_a_client_with_certificates_and_a_password(tmp_path: Path) -> None:
    """The client itself has read the certificates."""
    _, authority = certificate(tmp_path, "broker")
    pem, key = authority.read_text(), (tmp_path / "key.pem").read_text()
    config = make_config(
        settings(
            kafka_tls=True,
            kafka_ca=pem,
            kafka_certificate=pem,
            kafka_key=key,
            kafka_sasl="SCRAM-SHA-512",
            kafka_user="uptill",
            kafka_password="secret",
        )
    )
    assert config["security.protocol"] == "sasl_ssl"
    assert config["sasl.mechanisms"] == "SCRAM-SHA-512"
    assert config["ssl.key.pem"] == key


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kafka_sasl": "PLAIN", "kafka_user": "u"}, "set all three, or none"),
        ({"kafka_password": "p"}, "set all three, or none"),
        ({"kafka_ca": "x"}, "set UPTILL_KAFKA_TLS=true"),
        ({"kafka_tls": True, "kafka_ca": "no certificate"}, "Kafka's client refuses the settings"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        make_config(settings(**given))
    assert "secret" not in str(raised.value)


def test_topics_are_separated_by_commas() -> None:
    assert list_topics(settings(kafka_topics="a, ^b.*,")) == ["a", "^b.*"]
    with pytest.raises(ConfigurationError, match="names no topic"):
        list_topics(settings(kafka_topics=" , "))


def test_csv_values_must_be_polls() -> None:
    assert (
        make_terms(
            settings(kafka_format="csv", kafka_columns="timestamp;status;store_id")
        ).form.layout.separator
        == ";"
    )
    with pytest.raises(ConfigurationError, match="UPTILL_KAFKA_COLUMNS is a header of timezones"):
        make_terms(settings(kafka_format="csv", kafka_columns="store_id,timezone_str"))
    with pytest.raises(ConfigurationError, match="UPTILL_KAFKA_COLUMNS: the header is unknown") as unknown:
        make_terms(settings(kafka_format="csv", kafka_columns="a,b"))
    assert str(unknown.value).endswith("'a,b'. It must name store_id,status,timestamp_utc (polls)")
    with pytest.raises(ConfigurationError, match="To be a file of polls it lacks status"):
        make_terms(settings(kafka_format="csv", kafka_columns="store_id,timestamp_utc"))


def test_the_check_of_the_settings_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        make_config(settings())
    assert capfd.readouterr() == ("", "")
