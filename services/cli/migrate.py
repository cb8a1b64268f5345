"""`uptill migrate`: apply the schema of this release and create the logins of the services."""

from services.cli.console import fail, note
from services.cli.environment import settings_for_command
from shared.db import migrate as migrations
from shared.db.logins import ensure_logins, login_settings
from shared.errors import UptillError
from shared.exit_codes import exit_code_of
from shared.explain import explain
from shared.telemetry import log_to_people


def migrate() -> None:
    """Update the database to this release's schema.

    Also creates the logins named by UPTILL_API_DATABASE_URL, UPTILL_INGEST_DATABASE_URL,
    UPTILL_WORKER_DATABASE_URL and UPTILL_READONLY_DATABASE_URL, if these are set.
    """
    log_to_people()
    settings = settings_for_command("database_url")
    url = settings.database_url.get_secret_value()
    try:
        applied = migrations.migrate(url)
        logins = ensure_logins(url, login_settings(settings))
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    note(f"applied {', '.join(applied)}" if applied else "the schema is up to date")
    if logins:
        note(f"service logins are ready: {', '.join(logins)}")
