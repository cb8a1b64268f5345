"""Settings: what callers over HTTP may do, and links that they get."""

from pydantic import Field
from pydantic_settings import BaseSettings

from shared.settings.forms import RATE
from shared.settings.names import MAX_PRESIGN_S, MAX_S


class CallSettings(BaseSettings):
    """What callers over HTTP may do, and links that they get."""

    presign_s: int = Field(
        default=MAX_PRESIGN_S,
        ge=1,
        le=MAX_PRESIGN_S,
        description="Seconds that a download link is valid. The same link is returned again until half of that time is left.",
    )
    max_wait_s: float = Field(
        default=30.0, ge=0, le=MAX_S, description="Longest `?wait=` of `GET /v1/reports/{id}`."
    )
    allowed_hosts: str = Field(
        default="",
        description="Names allowed in the `Host` header, in addition to those of this machine, `UPTILL_API_URL` and `UPTILL_INGEST_URL`. Separated by commas; may contain `*.example.com` and `*`.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call the services from a browser, separated by commas. Default: none.",
    )
    rate_read: str = Field(
        default="1000/second",
        pattern=RATE,
        description="Read calls of one key: `AMOUNT/second`, `/minute` or `/hour`.",
    )
    rate_report: str = Field(
        default="200/second", pattern=RATE, description="Calls of one key that create or change reports."
    )
    rate_ingest: str = Field(
        default="500/second", pattern=RATE, description="Calls of one key to the ingest service."
    )
    max_open_reports: int = Field(default=200, ge=1, description="Most unfinished reports of one key.")
    max_pending_webhooks: int = Field(
        default=1000,
        ge=1,
        description="Most waiting deliveries to a `webhook_url` of one key's reports.",
    )
    max_schedules: int = Field(default=100, ge=1, description="Most report schedules of one key.")
    max_webhook_endpoints: int = Field(default=50, ge=1, description="Most webhook endpoints of one key.")
    open_calls_per_key: int = Field(
        default=128,
        ge=1,
        description="Calls of one key that one process answers at the same time, including streams, long polls and uploads. Further calls get 429.",
    )
    connections_per_address: int = Field(
        default=256,
        ge=1,
        description="Connections of one address to one process that have not shown a valid key yet. Above that, the oldest is closed.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of your reverse proxies, separated by commas. They are exempt from `UPTILL_CONNECTIONS_PER_ADDRESS`.",
    )
    body_bytes_per_s: int = Field(
        default=1024,
        ge=1,
        description="Slowest allowed rate of a request body, in bytes per second over each 20 s. A slower sender gets 408.",
    )
    max_queue_age_s: float = Field(
        default=900.0,
        gt=0,
        le=MAX_S,
        description="A key gets no new report while its oldest unclaimed batch is older than this many seconds.",
    )
    max_body_bytes: int = Field(
        default=4 << 20,
        ge=1024,
        description="Longest body of an API call. Uploads have their own limit.",
    )
