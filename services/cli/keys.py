"""`uptill keys`: create, list and revoke API keys, straight in the database."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from services.cli.console import fail, note, stdout
from services.cli.environment import settings_for_command
from shared.db.connect import connect
from shared.errors import UptillError
from shared.keys import SCOPES, create_key, list_keys, revoke_key

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")


def _database_url() -> str:
    return settings_for_command("database_url").database_url.get_secret_value()


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use the key.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable: {', '.join(SCOPES)}. Default: read and write reports."),
    ] = None,
    expires: Annotated[datetime | None, typer.Option(help="UTC time from which the key is refused.")] = None,
) -> None:
    """Create a key and print it; it cannot be shown again."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            key = create_key(
                conn, name=name, scopes=scope or ["reports:read", "reports:write"], expires_at=_utc(expires)
            )
    except UptillError as error:
        fail(str(error))
    note("Keep this key now; only its hash is stored.")
    print(key)


@app.command("list")
def list_() -> None:
    """Show all keys, newest first, without their secrets."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            keys = list_keys(conn)
    except UptillError as error:
        fail(str(error))
    table = Table("prefix", "name", "scopes", "created", "expires", "last used", "revoked")
    for key in keys:
        times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
        table.add_row(
            key.prefix,
            key.name,
            " ".join(key.scopes),
            *(f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in times),
        )
    stdout.print(table)


@app.command()
def revoke(prefix: Annotated[str, typer.Argument(help="The eight characters after `upt_`.")]) -> None:
    """End a key now."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            revoked = revoke_key(conn, prefix)
    except UptillError as error:
        fail(str(error))
    if not revoked:
        fail(f"there is no live key with the prefix {prefix!r}; `uptill keys list` shows them")
    note(f"key {prefix} is revoked")


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


if __name__ == "__main__":
    app()
