"""`uptill keys`: create, list, rotate and revoke API keys, straight in the database."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from services.cli.console import Json, fail, note, print_json, print_table
from services.cli.environment import settings_for_command
from shared.db.connect import connect
from shared.errors import UptillError
from shared.exit_codes import ExitCode, exit_code_of
from shared.keys import OVERLAP, SCOPES, create_key, list_keys, revoke_key, rotate_key
from shared.labels import parse_labels

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, rotate, revoke.")


def _database_url() -> str:
    return settings_for_command("database_url").database_url.get_secret_value()


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use the key.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable: {', '.join(SCOPES)}. Default: read and write reports."),
    ] = None,
    stores: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable: NAME=VALUE, a label that a store must have for the key to see it."),
    ] = None,
    expires: Annotated[datetime | None, typer.Option(help="UTC time from which the key is refused.")] = None,
) -> None:
    """Create a key and print it; it cannot be shown again."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            key = create_key(
                conn,
                name=name,
                scopes=scope or ["reports:read", "reports:write"],
                store_labels=parse_labels(stores, separator="=") if stores else None,
                expires_at=_utc(expires),
            )
    except ValueError as error:
        fail(str(error), code=ExitCode.WRONG_USE)
    except UptillError as error:
        fail(str(error), code=exit_code_of(error))
    _show(key)


@app.command()
def rotate(
    prefix: Annotated[str, typer.Argument(help="The eight characters after `upt_`.")],
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the old key still works.")
    ] = OVERLAP.total_seconds() / 3600,
) -> None:
    """Print a new key that may do what the old one may; the old one ends after the overlap."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            key = rotate_key(conn, prefix, overlap=timedelta(hours=overlap_hours))
    except UptillError as error:
        fail(str(error), code=exit_code_of(error))
    _show(key)


def _show(key: str) -> None:
    note("Keep this key now; only its hash is stored.")
    print(key)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Show all keys, newest first, without their secrets."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            keys = list_keys(conn)
    except UptillError as error:
        fail(str(error), code=exit_code_of(error))
    if as_json:
        print_json(keys)
        return
    print_table(
        ("prefix", "name", "scopes", "stores", "created", "expires", "last used", "revoked"),
        [
            (
                *(key.prefix, key.name, " ".join(key.scopes)),
                " ".join(f"{name}={value}" for name, value in (key.store_labels or {}).items()) or "all",
                *(
                    f"{at:%Y-%m-%d %H:%M}" if at else "-"
                    for at in (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
                ),
            )
            for key in keys
        ],
    )


@app.command()
def revoke(prefix: Annotated[str, typer.Argument(help="The eight characters after `upt_`.")]) -> None:
    """End a key now."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            revoked = revoke_key(conn, prefix)
    except UptillError as error:
        fail(str(error), code=exit_code_of(error))
    if not revoked:
        fail(f"there is no live key with the prefix {prefix!r}; `uptill keys list` shows them")
    note(f"key {prefix} is revoked")


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


if __name__ == "__main__":
    app()
