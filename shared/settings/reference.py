"""The page of the documentation that lists all settings."""

from pydantic.fields import FieldInfo

from shared.settings.names import PREFIX
from shared.settings.settings import Settings, reveal


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
    default = reveal(field.default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default else "-"
