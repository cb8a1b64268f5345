"""Reads the settings of a process from its environment, and says in plain words what is wrong with them."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from shared.errors import ConfigurationError
from shared.setting_checks import list_unknown_names, without_passwords
from shared.settings.forms import FORMS
from shared.settings.names import DEFAULT_DATA_DIR, PREFIX
from shared.settings.settings import Settings, reveal

_log = logging.getLogger("uptill.settings")


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
        if all(reveal(getattr(settings, name)) for name in needed):
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
        must = f"must be {FORMS[item['ctx']['pattern']]}"
    shown = repr(without_passwords(str(value))[:60])
    return f"{variable} {must.partition(', unable')[0]}" + (
        "" if is_secret or shown in must else f", not {shown}"
    )
