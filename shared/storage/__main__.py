"""`python -m shared.storage`: create the reports' bucket unless it exists. Run it once, before the services start."""

import structlog

from shared.errors import UptillError
from shared.explain import explain
from shared.settings import load_settings
from shared.storage import make_storage
from shared.telemetry import configure_logging


def main() -> None:
    """Create the bucket; exit with status 1 and a logged reason if that fails."""
    log = structlog.get_logger()
    configure_logging("storage", "INFO")
    try:
        made = make_storage(load_settings().require("s3_bucket")).ensure_bucket()
    except UptillError as error:
        # The text says it; a traceback adds nothing.
        log.error("bucket_failed", error=explain(error))  # noqa: TRY400
        raise SystemExit(1) from None
    log.info("bucket_ready", made=made)


if __name__ == "__main__":
    main()
