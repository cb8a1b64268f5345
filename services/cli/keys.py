"""`uptill keys`: create, list, rotate and revoke API keys, directly in the database."""

from datetime import timedelta
from typing import Annotated

import typer

from services.cli.console import Json, fail, labels_text, minute, note, print_json
from services.cli.environment import settings_for_command
from services.cli.instants import INSTANT_HELP, parse_instant
from services.cli.tables import print_table
from shared.command import run_command
from shared.db.connect import connect
from shared.errors import UptillError
from shared.exit_codes import ExitCode, exit_code_of
from shared.explain import explain
from shared.keys import OVERLAP, SCOPES, create_key, list_keys, revoke_key, rotate_key
from shared.labels import parse_labels
from shared.telemetry import log_to_people
from shared.texts import quoted

app = typer.Typer(no_args_is_help=True, help="Manage API keys: create, list, rotate, revoke.")

Prefix = Annotated[
    str,
    typer.Argument(metavar="PREFIX", help="The eight characters after `upt_`, as `uptill keys list` shows."),
]


def _database_url() -> str:
    log_to_people()
    return settings_for_command("database_url").database_url.get_secret_value()


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses the key.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable: {', '.join(SCOPES)}. Default: reports:read and reports:write."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "--stores",
            metavar="NAME=VALUE",
            help="Repeatable: limit the key to stores that have this label. Default: all stores.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"When the key ends, {INSTANT_HELP}. Default: never."),
    ] = None,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            key = create_key(
                conn,
                name=name,
                scopes=scope or ["reports:read", "reports:write"],
                store_labels=parse_labels(label, separator="=") if label else None,
                expires_at=None if expires is None else parse_instant(expires),
            )
    except ValueError as error:
        fail(str(error), code=ExitCode.WRONG_USE)
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    _show_key(key)


@app.command()
def rotate(
    prefix: Prefix,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="Hours that the old key keeps working.")
    ] = OVERLAP.total_seconds() / 3600,
) -> None:
    """Replace a key and print the new one. The old key stops working after the overlap."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            key = rotate_key(conn, prefix, overlap=timedelta(hours=overlap_hours))
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    _show_key(key)


def _show_key(key: str) -> None:
    note("Save this key now: it cannot be shown again.")
    print(key)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all keys, newest first, without their secrets."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            keys = list_keys(conn)
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    if as_json:
        print_json(keys)
        return
    print_table(
        ("prefix", "name", "revoked", "expires", "last used", "scopes", "stores", "created (UTC)"),
        [
            (
                *(key.prefix, key.name),
                *map(minute, (key.revoked_at, key.expires_at, key.last_used_at)),
                *(" ".join(key.scopes), labels_text(key.store_labels or {}) or "all", minute(key.created_at)),
            )
            for key in keys
        ],
    )


@app.command()
def revoke(prefix: Prefix) -> None:
    """Revoke a key. It stops working within 5 seconds."""
    try:
        with connect(_database_url(), application_name="uptill-keys") as conn:
            revoked = revoke_key(conn, prefix)
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    if not revoked:
        fail(
            f"there is no active key with the prefix {quoted(prefix)}; run `uptill keys list` to see the keys"
        )
    note(f"revoked key {prefix}")


if __name__ == "__main__":
    run_command(app)
