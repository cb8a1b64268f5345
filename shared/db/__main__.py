"""`python -m shared.db`: bring the database to this release's schema and create the services' logins.

Containers run this; people use `uptill migrate`.
"""

import structlog

from shared.db.logins import ensure_logins, login_settings
from shared.db.migrate import migrate
from shared.errors import UptillError
from shared.explain import explain
from shared.settings import load_settings
from shared.telemetry import configure_logging


def main() -> None:
    """Migrate; exit with status 1 and a logged reason if the schema or a login could not be made."""
    log = structlog.get_logger()
    configure_logging("migrate", "INFO")
    try:
        settings = load_settings().require("database_url")
        owner_url = settings.database_url.get_secret_value()
        applied = migrate(owner_url)
        logins = ensure_logins(owner_url, login_settings(settings))
    except UptillError as error:
        # The text says it; a traceback adds nothing.
        log.error("migration_failed", error=explain(error))  # noqa: TRY400
        raise SystemExit(1) from None
    log.info("migrated", applied=applied, logins=logins)


if __name__ == "__main__":
    main()
