"""`uptill migrate`: the schema of this release."""

from services.cli.console import fail, note
from services.cli.environment import settings_for_command
from shared.db import migrate as migrations
from shared.errors import UptillError
from shared.exit_codes import exit_code_of


def migrate() -> None:
    """Bring the database to this release's schema."""
    url = settings_for_command("database_url").database_url.get_secret_value()
    try:
        applied = migrations.migrate(url)
    except UptillError as error:
        fail(str(error), code=exit_code_of(error))
    note(f"applied {', '.join(applied)}" if applied else "the schema is up to date")
