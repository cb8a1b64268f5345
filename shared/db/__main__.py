"""`python -m shared.db`: bring the database to this release's schema and create the services' logins.

What a container runs; people use `uptill migrate`.
"""

import structlog

from shared.db.logins import ensure_logins, login_settings
from shared.db.migrate import migrate
from shared.errors import UptillError
from shared.settings import load_settings
from shared.telemetry import configure_logging


def main() -> None:
    """Entry point; ends with status 1 and a logged reason when the schema or a login could not be made."""
    log = structlog.get_logger()
    configure_logging("migrate", "INFO")
    try:
        settings = load_settings().require("database_url")
        owner_url = settings.database_url.get_secret_value()
        applied = migrate(owner_url)
        logins = ensure_logins(owner_url, login_settings(settings))
    except UptillError as error:
        log.error("migration_failed", error=str(error))  # noqa: TRY400  the text says it; a trace adds nothing
        raise SystemExit(1) from None
    log.info("migrated", applied=applied, logins=logins)


if __name__ == "__main__":
    main()
