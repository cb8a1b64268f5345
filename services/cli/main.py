"""The `uptill` command: every subcommand is a module beside this one, or of the service that it runs."""

import typer

from services.cli import keys, reports, schedules, stores, webhooks
from services.cli.console import fail, note
from services.cli.demo import demo
from services.cli.doctor import doctor
from services.cli.environment import settings_for_command
from services.cli.report import report
from services.cli.sample.command import sample
from services.cli.up import up
from services.ingest.command import ingest
from shared.db import migrate as migrations
from shared.db.logins import ensure_logins, login_settings
from shared.errors import UptillError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How long was each store up and down within its opening hours?",
)
app.command()(up)
app.command()(sample)
app.command()(ingest)
app.command()(report)
app.command()(doctor)
app.command()(demo)
app.add_typer(keys.app, name="keys")
app.add_typer(reports.app, name="reports")
app.add_typer(schedules.app, name="schedules")
app.add_typer(stores.app, name="stores")
app.add_typer(webhooks.app, name="webhooks")


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema, and create the logins that UPTILL_*_DATABASE_URL name."""
    settings = settings_for_command("database_url")
    url = settings.database_url.get_secret_value()
    try:
        applied = migrations.migrate(url)
        logins = ensure_logins(url, login_settings(settings))
    except UptillError as error:
        fail(str(error))
    note(f"applied {', '.join(applied)}" if applied else "the schema is up to date")
    if logins:
        note(f"logins of the services: {', '.join(logins)}")


def main() -> None:
    """Entry point."""
    app()
