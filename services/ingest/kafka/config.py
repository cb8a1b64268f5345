"""The configuration of Kafka's client, from the settings."""

import logging
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaException

from services.ingest.kafka.lines import choose_format
from services.ingest.kafka.session import MessageTerms
from services.ingest.parse.reading import Reading
from shared.errors import BadInputFile, ConfigurationError
from shared.settings import Settings

# Messages that wait in memory. More would only make the process larger.
_FETCHED_KBYTES = 32 << 10


def make_terms(settings: Settings) -> MessageTerms:
    """Return how messages are read. Raise `ConfigurationError`."""
    try:
        form = choose_format(settings.kafka_format, settings.kafka_columns)
    except BadInputFile as error:
        raise ConfigurationError(f"UPTILL_KAFKA_COLUMNS: {error}") from None
    if form.layout.kind != "polls":
        raise ConfigurationError(
            f"UPTILL_KAFKA_COLUMNS is a header of {form.layout.kind}: only polls come from Kafka; load the others as files"
        )
    reading = Reading.parse(settings.status_words, "", assume_utc=False, effective_from="")
    return MessageTerms(settings.kafka_group, form, reading, allow_odd_ids=settings.allow_odd_ids)


def list_topics(settings: Settings) -> Sequence[str]:
    """Return the topics. Raise `ConfigurationError` if there is none."""
    topics = [name for given in settings.kafka_topics.split(",") if (name := given.strip())]
    if not topics:
        raise ConfigurationError("UPTILL_KAFKA_TOPICS names no topic: name one, or several with commas")
    return topics


def make_config(settings: Settings) -> dict[str, object]:
    """Return the configuration. Raise `ConfigurationError` for settings that contradict each other."""
    login = [settings.kafka_sasl, settings.kafka_user, settings.kafka_password.get_secret_value()]
    if any(login) and not all(login):
        raise ConfigurationError(
            "UPTILL_KAFKA_SASL, UPTILL_KAFKA_USER and UPTILL_KAFKA_PASSWORD belong together: set all three, or none"
        )
    if not settings.kafka_tls and (settings.kafka_ca or settings.kafka_certificate):
        raise ConfigurationError(
            "UPTILL_KAFKA_CA or UPTILL_KAFKA_CERTIFICATE is set without TLS: set UPTILL_KAFKA_TLS=true"
        )
    config = {**_BASE, **dict(_list_options(settings))}
    try:
        # It connects at once: without a logger, it would print its own lines.
        Consumer(dict(config), logger=logging.getLogger("kafka")).close()
    except (KafkaException, ValueError) as error:
        raise ConfigurationError(f"Kafka's client refuses the settings UPTILL_KAFKA_*: {error}") from None
    return config


_BASE: dict[str, object] = {
    "client.id": "uptill",
    # What is committed here is only shown by tools; Postgres has the offsets that count.
    "enable.auto.commit": True,
    "enable.auto.offset.store": False,
    # A message that is gone is an error to be logged, never a silent jump.
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "cooperative-sticky",
    "queued.max.messages.kbytes": _FETCHED_KBYTES,
    "fetch.wait.max.ms": 100,
}


def _list_options(settings: Settings) -> Iterator[tuple[str, object]]:
    yield "bootstrap.servers", settings.kafka_brokers
    yield "group.id", settings.kafka_group
    yield "session.timeout.ms", int(settings.kafka_session_s * 1000)
    yield "heartbeat.interval.ms", int(settings.kafka_session_s * 1000 / 10)
    protocol = ("sasl_" if settings.kafka_sasl else "") + ("ssl" if settings.kafka_tls else "plaintext")
    yield "security.protocol", protocol
    secrets = {
        "ssl.ca.pem": settings.kafka_ca,
        "ssl.certificate.pem": settings.kafka_certificate,
        "ssl.key.pem": settings.kafka_key.get_secret_value(),
        "sasl.mechanisms": settings.kafka_sasl,
        "sasl.username": settings.kafka_user,
        "sasl.password": settings.kafka_password.get_secret_value(),
    }
    yield from ((name, value) for name, value in secrets.items() if value)
