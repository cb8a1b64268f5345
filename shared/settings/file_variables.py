"""Settings from files, for secrets."""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from shared.errors import ConfigurationError
from shared.settings.names import PREFIX


class FileVariables(EnvSettingsSource):
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
