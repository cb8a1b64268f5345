"""All settings, from `UPTILL_*` environment variables. Each service's main module reads them once and passes them on."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from shared.errors import ConfigurationError
from shared.setting_checks import ADDRESSES, check_address, check_key, list_unknown_names, without_passwords
from shared.status_words import format_status_words, parse_status_words
from shared.uptime.policy import POLICIES
from shared.weak_passwords import refuse_default_password

_RATE = "^[1-9][0-9]*/(second|minute|hour)$"
_LEVELS = "^(DEBUG|INFO|WARNING|ERROR)$"
_POLICY = "|".join(POLICIES)
_POLICIES = f"^(({_POLICY})(,({_POLICY}))*)?$"
_FORMS = {
    _POLICIES: f"names of policies, separated by commas: {', '.join(POLICIES)}",
    _RATE: "a rate such as 100/second, 100/minute or 100/hour",
    _LEVELS: "DEBUG, INFO, WARNING or ERROR",
}
PREFIX = "UPTILL_"
MAX_PRESIGN_S = 900
DEFAULT_DATA_DIR = Path(".uptill")
_log = logging.getLogger("uptill.settings")


class Settings(BaseSettings):
    """Every setting with its default. `UPTILL_NAME_FILE` is the path of a file with the value of `UPTILL_NAME`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres, as `postgresql://user:password@host:5432/database`."
    )
    api_database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Postgres login of the API, as a URL. `uptill migrate` creates it. Give it to the API as `UPTILL_DATABASE_URL`.",
    )
    ingest_database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres login of the ingest service and `uptill ingest`."
    )
    worker_database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres login of workers and schedulers."
    )
    readonly_database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres login of an autoscaler or a dashboard, which only read."
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""), description="Redis or Valkey, as `redis://:password@host:6379/0`."
    )
    s3_endpoint: str = Field(default="", description="S3 endpoint for the services, as `http://s3:8333`.")
    s3_public_endpoint: str = Field(
        default="",
        description="S3 endpoint for clients, used only in download links. Default: `UPTILL_S3_ENDPOINT`.",
    )
    s3_bucket: str = Field(default="uptill", description="Bucket for the reports. It must be private.")
    s3_region: str = Field(default="us-east-1", description="Region used for signing.")
    s3_access_key: str = Field(
        default="", description="S3 access key. Default: the credentials that boto3 finds."
    )
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="S3 secret key.")
    api_url: str = Field(
        default="http://127.0.0.1:8000", description="URL of the API for the `uptill` command."
    )
    ingest_url: str = Field(
        default="http://127.0.0.1:8001", description="URL of the ingest service for clients."
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="API key that the `uptill` command sends.")

    batch_stores: int = Field(default=4000, ge=1, le=100_000, description="Stores in one batch of a report.")
    lease_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds until a batch of a silent worker may be claimed by another worker.",
    )
    max_attempts: int = Field(
        default=5, ge=1, description="Failed claims of a batch, or of a merge, after which the report fails."
    )
    sweep_s: float = Field(default=2.0, gt=0, description="Seconds between two sweeps of the scheduler.")
    republish_s: float = Field(
        default=10.0, gt=0, description="Seconds until an unclaimed batch is published again."
    )
    worker_threads: int = Field(
        default=3,
        ge=1,
        le=64,
        description="Batches that one worker process computes at the same time, in addition to one short batch.",
    )
    cache_mb: int = Field(
        default=64,
        ge=0,
        description="Megabytes of polls and hours that one worker process caches for the next report about the same stores. 0: no cache.",
    )
    look_s: float = Field(
        default=1.0,
        gt=0,
        description="Seconds between a worker's checks whether Redis takes messages. While it does not, the worker finds due batches in Postgres at the same interval.",
    )
    stop_grace_s: float = Field(
        default=20.0,
        ge=0,
        description="Seconds that a stopping worker may take to finish its batches. Then it gives back the rest. Set it at least 10 s below the time after which the process is killed.",
    )
    webhook_allow_private: bool = Field(
        default=False,
        description="Also send webhooks by http, to any port, and to private and loopback addresses. For development only.",
    )
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=60, description="Seconds that one attempt to deliver a webhook may take."
    )
    webhook_threads: int = Field(
        default=8, ge=0, le=64, description="Webhooks that one scheduler sends at the same time. 0: none."
    )
    webhook_per_key: int = Field(
        default=2, ge=1, description="Webhooks of one key that all schedulers together send at the same time."
    )
    webhook_per_receiver: int = Field(
        default=2,
        ge=1,
        description="Webhooks to one host and port that all schedulers together send at the same time.",
    )
    report_ttl_s: float = Field(
        default=7 * 86_400.0, gt=0, description="Seconds after a report's end until its files are removed."
    )
    janitor_s: float = Field(
        default=3600.0,
        gt=0,
        description="Seconds between two rounds of the janitor, which deletes old data and objects that no row points to.",
    )
    polls_keep_days: int = Field(
        default=0, ge=0, description="Days after its end until a week of polls is deleted. 0: never."
    )
    facts_policies: str = Field(
        default="",
        pattern=_POLICIES,
        description="Policies whose daily facts the scheduler has computed each night after 03:00 UTC, as `classic,hold`. Default: none.",
    )
    facts_export: bool = Field(
        default=False,
        description="Whether the scheduler has months of daily facts written to the bucket as Parquet each night, once the facts of the night are computed.",
    )
    now_every_s: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="Seconds between two refreshes of the live state of all stores. New data brings the next one forward. 0: no live state. The scheduler decides.",
    )
    reports_keep_days: int = Field(
        default=0,
        ge=0,
        description="Days after its files have expired until an ended report is deleted. 0: never.",
    )
    rejects_keep_days: int = Field(
        default=0,
        ge=0,
        description="Days after an import's end until its rejected rows are deleted. 0: never.",
    )
    imports_keep_days: int = Field(
        default=0,
        ge=0,
        description="Days after its end until an import is deleted, with its rejected rows. 0: never.",
    )
    presign_s: int = Field(
        default=MAX_PRESIGN_S,
        ge=1,
        le=MAX_PRESIGN_S,
        description="Seconds that a download link is valid. The same link is returned again until half of that time is left.",
    )
    max_wait_s: float = Field(default=30.0, ge=0, description="Longest `?wait=` of `GET /v1/reports/{id}`.")
    spool_dir: str = Field(
        default="",
        description="Folder where an ingest service keeps uploads until they are loaded. Default: `uptill-spool` in the temporary folder.",
    )
    spool_reserve_bytes: int = Field(
        default=1 << 30,
        ge=0,
        description="Bytes that uploads leave free on the spool's file system, in addition to three times the size of what waits in the spool. Otherwise an upload gets 507 `storage_full`.",
    )
    spool_max_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes that waiting uploads may take in the spool. Further uploads get 507 `storage_full`. 0: limited only by the file system.",
    )
    max_upload_bytes: int = Field(default=4 << 30, ge=1, description="Longest body of `POST /v1/imports`.")
    statement_timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=60,
        description="Seconds that Postgres may take for one statement of an HTTP call. After that the call gets 503 `timed_out`.",
    )
    lock_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="How many seconds a batch or an import chunk waits for a table lock in Postgres. Then it is retried later, without counting as a failed claim.",
    )
    pool_size: int = Field(
        default=8,
        ge=1,
        description="Most database connections of one process. An HTTP service divides them among key lookups, writes and lists, at least 1 each.",
    )
    reject_limit: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of a chunk's rows above which rejected rows stop an import.",
    )
    allow_odd_ids: bool = Field(
        default=False,
        description="Accept store ids such as `8E5`, `12345.0` or `NULL`, which spreadsheets and programs write in place of an id. Otherwise they are rejected, in files and in HTTP calls.",
    )
    status_words: str = Field(
        default="",
        description="Words for the status of a poll, in addition to `active` and `inactive`: `online=active,offline=inactive`. Used for files, uploads and live polls. `--status` and `?status=` replace it.",
    )
    chunk_bytes: int = Field(
        # Measured: as fast as 8 and 16 MB, with 195 MB of memory instead of 250 and 340.
        default=4 << 20,
        ge=4096,
        description="Bytes of a file that ingest commits at once. Memory grows with it.",
    )
    silent_after_s: float = Field(
        default=10_800.0,
        gt=0,
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
        pattern=_RATE,
        description="Read calls of one key: `AMOUNT/second`, `/minute` or `/hour`.",
    )
    rate_report: str = Field(
        default="200/second", pattern=_RATE, description="Calls of one key that create or change reports."
    )
    rate_ingest: str = Field(
        default="500/second", pattern=_RATE, description="Calls of one key to the ingest service."
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
        description="A key gets no new report while its oldest unclaimed batch is older than this many seconds.",
    )
    max_body_bytes: int = Field(
        default=4 << 20,
        ge=1024,
        description="Longest body of an API call. Uploads have their own limit.",
    )
    page_idle_s: float = Field(
        default=8 * 3600.0,
        gt=0,
        description="Seconds without a request after which a browser must sign in to the page again.",
    )
    page_session_s: float = Field(
        default=7 * 86_400.0,
        gt=0,
        description="Seconds after which a browser must sign in to the page again in any case.",
    )
    log_level: str = Field(default="INFO", pattern=_LEVELS, description="Log level.")

    @field_validator(*ADDRESSES)
    @classmethod
    def _is_an_address(cls, value: Any, info: ValidationInfo) -> Any:
        check_address(info.field_name or "", str(_reveal(value)))
        return value

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        check_key(value.get_secret_value())
        return value

    @field_validator("status_words")
    @classmethod
    def _status_words_are_valid(cls, text: str) -> str:
        return format_status_words(parse_status_words(text))

    @model_validator(mode="after")
    def _public_endpoint_defaults_to_the_internal_one(self) -> "Settings":
        if not self.s3_public_endpoint:
            object.__setattr__(self, "s3_public_endpoint", self.s3_endpoint)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del file_secret_settings
        return init_settings, env_settings, _FileVariables(settings_cls), dotenv_settings

    def require(self, *names: str) -> "Settings":
        """Return these settings. Raises `ConfigurationError` for a required setting that is empty, or a default password."""
        missing = [f"{PREFIX}{name.upper()}" for name in names if not _reveal(getattr(self, name))]
        if missing:
            raise ConfigurationError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
        for name in ("database_url", "redis_url", "s3_secret_key"):
            refuse_default_password(f"{PREFIX}{name.upper()}", getattr(self, name).get_secret_value())
        return self


class _FileVariables(EnvSettingsSource):
    """Reads `UPTILL_X_FILE=/path`: the value of x is the text of the file, without its final newline."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        # An empty variable means that this process must not have the secret.
        if not path:
            return None, field_name, False
        name = f"{PREFIX}{field_name.upper()}_FILE"
        try:
            text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ConfigurationError(f"{name}: cannot read {path}: {error.strerror}") from error
        except ValueError:
            raise ConfigurationError(f"{name}: {path} is not UTF-8 text") from None
        if not text:
            raise ConfigurationError(f"{name}: {path} is empty; write the value into it")
        return text, field_name, False


def stack_env_file() -> Path | None:
    """Return the file that `uptill up` wrote for commands, in the folder UPTILL_DATA or in `.uptill` here.

    Raises `ConfigurationError` if it cannot be read.
    """
    path = _stack_folder() / "env"
    try:
        return path if path.is_file() else None
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}DATA: cannot read {path}: {error.strerror}") from None


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the environment, then `env_file` for variables not set there. Raises `ConfigurationError`.

    Warns of variables that begin with `UPTILL_` and are not settings.
    """
    for warning in list_unknown_names(PREFIX, Settings.model_fields):
        _log.warning(warning)
    try:
        return Settings(_env_file=env_file)
    except SettingsError as error:
        raise (error.__cause__ if isinstance(error.__cause__, ConfigurationError) else error) from None
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(_name_fault, error.errors()))) from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {error.filename}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{env_file} is not UTF-8 text: start `uptill up` again to write it"
        ) from None


def load_command_settings(*needed: str) -> Settings:
    """Read the environment and the `env` file of a stack in this folder, which services do not read.

    Raises `ConfigurationError`; if a setting is missing, its message says what to do.
    """
    settings = load_settings(stack_env_file())
    try:
        return settings.require(*needed)
    except ConfigurationError as error:
        if all(_reveal(getattr(settings, name)) for name in needed):
            raise
        raise ConfigurationError(f"{error}; {_explain_missing()}") from None


def _stack_folder() -> Path:
    return Path(os.environ.get(f"{PREFIX}DATA") or DEFAULT_DATA_DIR)


def _explain_missing() -> str:
    """Return what to do about a setting that is not set."""
    if os.environ.get(f"{PREFIX}DATA"):
        return f"{PREFIX}DATA is {_stack_folder()}, which has no file `env` of a running `uptill up`"
    return (
        f"start `uptill up` here, set {PREFIX}DATA to the folder of a running one ({DEFAULT_DATA_DIR} where it was started),"
        " or set it yourself"
    )


# The words of pydantic, and those of our messages.
_PLAINER = {
    "less than or equal to": "at most",
    "greater than or equal to": "at least",
    "a valid boolean": "true or false",
}


def _name_fault(item: Mapping[str, Any]) -> str:
    """Return what is wrong with one setting: its variable, its value unless it is secret, and what it must be."""
    name = "_".join(map(str, item["loc"]))
    variable, value = f"{PREFIX}{name.upper()}", item.get("input")
    is_secret = name not in Settings.model_fields or isinstance(
        Settings.model_fields[name].default, SecretStr
    )
    if value == "":
        return f"{variable} is empty: give it a value, or unset it"
    must = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    for words, plainer in _PLAINER.items():
        must = must.replace(words, plainer)
    if item["type"] == "string_pattern_mismatch":
        must = f"must be {_FORMS[item['ctx']['pattern']]}"
    shown = repr(without_passwords(str(value))[:60])
    return f"{variable} {must.partition(', unable')[0]}" + (
        "" if is_secret or shown in must else f", not {shown}"
    )


def _reveal(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def settings_reference() -> str:
    """Return the page `docs/reference/settings.md`: every variable with its default and meaning."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_format_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Environment variables. Each can also be given as `…_FILE`: the path of a file with the value, for secrets.",
            "",
            "| variable | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _format_default(field: FieldInfo) -> str:
    default = _reveal(field.default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default else "-"
