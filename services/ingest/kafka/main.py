"""The consumer as a process: `python -m services.ingest.kafka`."""

import structlog
from confluent_kafka import KafkaException

from services.ingest.kafka.consume import KafkaConsumer
from shared.errors import ConfigurationError
from shared.metrics.exposition import serve_metrics
from shared.settings import load_settings
from shared.stop_signals import ShutdownSignals
from shared.telemetry import configure_logging

_ENDS_WITHIN_S = 9.5  # 0.5 s before supervisors kill the process
_log = structlog.get_logger()


def main() -> None:
    """Consume until asked to stop; exit with status 1 and a logged reason if the settings or the brokers refuse it."""
    configure_logging("consumer", "INFO")
    stop = ShutdownSignals()
    stop.end_within(_ENDS_WITHIN_S)
    try:
        settings = load_settings().require("database_url", "kafka_brokers", "kafka_topics")
        configure_logging("consumer", settings.log_level)
        consumer = KafkaConsumer(settings, stop)
    except ConfigurationError as error:
        _log.error("consumer_cannot_run", error=str(error))
        raise SystemExit(1) from None
    serve_metrics(settings, "consumer")
    _log.info("consumer_started", topics=settings.kafka_topics, group=settings.kafka_group)
    try:
        consumer.run()
    except KafkaException as error:
        _log.error("consumer_failed", error=str(error))
        raise SystemExit(1) from None
    _log.info("consumer_stopped")
