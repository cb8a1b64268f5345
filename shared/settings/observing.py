"""Settings: metrics, traces and logs."""

from pydantic import Field
from pydantic_settings import BaseSettings

from shared.settings.forms import LEVELS
from shared.settings.names import MAX_S


class ObservingSettings(BaseSettings):
    """Metrics, traces and logs."""

    silent_after_s: float = Field(
        default=10_800.0,
        gt=0,
        le=MAX_S,
        description="A store counts as silent if its last poll is this many seconds older than the newest poll of all stores. In live state: if it is open for so long without a poll and its usual gap between polls is not known.",
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port on which a process serves its metrics without a key. 0: none.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="Endpoint for traces, by OTLP over HTTP, as `http://collector:4318`. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, otherwise no traces. Needs `uptill[trace]`, which the images have.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address that `UPTILL_METRICS_PORT` listens on."
    )
    log_level: str = Field(default="INFO", pattern=LEVELS, description="Log level.")
