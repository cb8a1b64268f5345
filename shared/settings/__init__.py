"""All settings, from `UPTILL_*` environment variables. Each service's main module reads them once and passes them on."""

from shared.settings.load import load_command_settings, load_settings
from shared.settings.names import DEFAULT_DATA_DIR, PREFIX
from shared.settings.settings import Settings

__all__ = ["DEFAULT_DATA_DIR", "PREFIX", "Settings", "load_command_settings", "load_settings"]
