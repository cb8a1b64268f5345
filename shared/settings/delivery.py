"""Settings: how messages leave: webhooks, mail and chat."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from shared.settings.forms import MAILBOX, SCHEMES


class DeliverySettings(BaseSettings):
    """How messages leave: webhooks, mail and chat."""

    webhook_allow_private: bool = Field(
        default=False,
        description="Also send webhooks and chat messages by http, to any port, and to private and loopback addresses. For development only.",
    )
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=60, description="Seconds that one attempt to deliver a webhook may take."
    )
    webhook_threads: int = Field(
        default=8,
        ge=0,
        le=64,
        description="Webhooks and messages of channels that one scheduler sends at the same time. 0: none.",
    )
    webhook_per_key: int = Field(
        default=2, ge=1, description="Webhooks of one key that all schedulers together send at the same time."
    )
    webhook_per_receiver: int = Field(
        default=2,
        ge=1,
        description="Webhooks to one host and port that all schedulers together send at the same time.",
    )
    smtp_host: str = Field(
        default="",
        description="Mail server that sends the e-mails of channels. Default: none, and no e-mails.",
    )
    smtp_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port of the mail server. 0: 587, with `tls` 465, with `none` 25.",
    )
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls` (required, not only offered), `tls` from the first byte, or `none`.",
    )
    smtp_user: str = Field(default="", description="Login at the mail server. Default: none.")
    smtp_password: SecretStr = Field(
        default=SecretStr(""), description="Password of the login at the mail server."
    )
    smtp_from: str = Field(
        default="",
        pattern=MAILBOX,
        description="Address that e-mails come from, and that requests to unsubscribe go to.",
    )
    chat_schemes: str = Field(
        default="slack,msteams,workflow,workflows,tgram,pagerduty,opsgenie,ntfy,ntfys",
        pattern=SCHEMES,
        description="Schemes of the chat URLs that channels may have, of those that Apprise knows.",
    )
    channel_gather_s: float = Field(
        default=1.0,
        ge=0,
        le=300,
        description="Seconds that an event for a channel waits for others of its topic, which are sent with it.",
    )
    public_url: str = Field(
        default="",
        description="Address of the page, which links in messages begin with. Default: `UPTILL_API_URL`.",
    )
