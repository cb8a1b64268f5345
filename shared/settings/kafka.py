"""Settings: the consumer of Kafka."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class KafkaSettings(BaseSettings):
    """The consumer of Kafka."""

    kafka_brokers: str = Field(
        default="",
        description="Kafka brokers that the consumer asks first, as `host:9092,host:9092`. It learns of the others from them.",
    )
    kafka_topics: str = Field(
        default="",
        description="Topics with polls, separated by commas. A name that begins with `^` is a regular expression.",
    )
    kafka_group: str = Field(
        default="uptill",
        min_length=1,
        max_length=200,
        description="Consumer group. What it has written is kept under this name in Postgres, so another name reads everything again.",
    )
    kafka_format: Literal["json", "csv"] = Field(
        default="json",
        description="What the values of messages are: `json` (the object of a poll, or an array of them) or `csv` (rows without a header).",
    )
    kafka_columns: str = Field(
        default="store_id,status,timestamp_utc",
        description="Header of `csv` values.",
    )
    kafka_start: Literal["earliest", "latest"] = Field(
        default="earliest",
        description="Where a group begins in a partition that it has never read: with the `earliest` message or behind the `latest`.",
    )
    kafka_batch_messages: int = Field(
        default=10_000,
        ge=1,
        le=100_000,
        description="Most Kafka messages in one transaction.",
    )
    kafka_session_s: float = Field(
        default=30.0,
        ge=1,
        le=300,
        description="Seconds without a sign of life after which the brokers give a consumer's partitions to another consumer.",
    )
    kafka_tls: bool = Field(default=False, description="Whether to connect to the Kafka brokers by TLS.")
    kafka_ca: str = Field(
        default="",
        description="Certificates of the authorities that sign the brokers' certificates, as PEM text. Give it as `UPTILL_KAFKA_CA_FILE`. Default: those of the system.",
    )
    kafka_certificate: str = Field(
        default="", description="The consumer's own certificate, as PEM text, for mutual TLS."
    )
    kafka_key: SecretStr = Field(
        default=SecretStr(""), description="Private key of `UPTILL_KAFKA_CERTIFICATE`, as PEM text."
    )
    kafka_sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="",
        description="SASL mechanism: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. Default: the brokers ask for no password.",
    )
    kafka_user: str = Field(default="", description="User name for SASL.")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="Password for SASL.")
