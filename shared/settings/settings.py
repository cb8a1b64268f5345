"""All settings of a process, with what holds between them."""

from typing import Any

from pydantic import SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.errors import ConfigurationError
from shared.setting_checks import ADDRESSES, aim_at_primary, check_address, check_key
from shared.settings.calls import CallSettings
from shared.settings.database import DatabaseSettings
from shared.settings.delivery import DeliverySettings
from shared.settings.file_variables import FileVariables
from shared.settings.ingest import IngestSettings
from shared.settings.jobs import JobSettings
from shared.settings.kafka import KafkaSettings
from shared.settings.names import PREFIX
from shared.settings.observing import ObservingSettings
from shared.settings.page import PageSettings
from shared.settings.servers import ServerSettings
from shared.settings.sftp import SftpSettings
from shared.settings.upkeep import UpkeepSettings
from shared.status_words import format_status_words, parse_status_words
from shared.weak_passwords import refuse_default_password


# The fields of the last base come first, as in the reference.
class Settings(
    SftpSettings,
    KafkaSettings,
    PageSettings,
    CallSettings,
    ObservingSettings,
    DatabaseSettings,
    IngestSettings,
    UpkeepSettings,
    DeliverySettings,
    JobSettings,
    ServerSettings,
):
    """Every setting with its default. `UPTILL_NAME_FILE` is the path of a file with the value of `UPTILL_NAME`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @field_validator(*ADDRESSES)
    @classmethod
    def _is_an_address(cls, value: Any, info: ValidationInfo) -> Any:
        address = check_address(info.field_name or "", str(reveal(value)))
        if "database" in (info.field_name or ""):
            address = aim_at_primary(address)
        return SecretStr(address) if isinstance(value, SecretStr) else address

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
        return init_settings, env_settings, FileVariables(settings_cls), dotenv_settings

    def require(self, *names: str) -> "Settings":
        """Return these settings. Raises `ConfigurationError` for a required setting that is empty, or a default password."""
        missing = [f"{PREFIX}{name.upper()}" for name in names if not reveal(getattr(self, name))]
        if missing:
            raise ConfigurationError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
        for name in ("database_url", "redis_url", "s3_secret_key"):
            refuse_default_password(f"{PREFIX}{name.upper()}", getattr(self, name).get_secret_value())
        return self


def reveal(value: object) -> object:
    """Return the text of a secret; other values as they are."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value
