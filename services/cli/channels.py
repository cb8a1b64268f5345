"""`uptill channels`: where messages about incidents and reports go."""

from enum import StrEnum
from typing import Annotated

import typer

from services.cli.attempts import ATTEMPT_TITLES, Limit, State, attempt_cells
from services.cli.connection import api_client
from services.cli.console import Json, fail, minute, note
from services.cli.given_files import read_text
from services.cli.tables import print_rows

app = typer.Typer(no_args_is_help=True, help="Manage channels of messages: set, list, test, remove.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The channel's name.")]


class KindChoice(StrEnum):
    """How a channel is reached."""

    webhook = "webhook"
    email = "email"
    chat = "chat"


@app.command("set")
def set_(
    name: Name,
    kind: Annotated[KindChoice, typer.Argument(metavar="KIND", help="webhook, email or chat.")],
    to: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Repeatable: a recipient of e-mails.")
    ] = None,
    url_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File with the URL of the webhook or chat, which is a secret. -: standard input.",
        ),
    ] = None,
    per_minute: Annotated[int, typer.Option(min=1, max=600, help="The most messages a minute.")] = 20,
    attach: Annotated[
        bool, typer.Option("--attach/--no-attach", help="Attach files of reports up to 5 MB to e-mails.")
    ] = True,
) -> None:
    """Add a channel, or replace it. Prints the signing secret of a new webhook."""
    url = read_text(url_file).strip() if url_file else None
    with api_client() as client:
        changed = client.set_channel(
            name, kind.value, url=url, to=to or (), per_minute=per_minute, attach=attach
        )
    note(f"channel {changed.name} sends to {changed.shown}")
    if changed.secret:
        note("Save its signing secret now: it cannot be shown again.")
        print(changed.secret)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all channels, with their destinations masked."""
    with api_client() as client:
        found = client.channels()
    print_rows(
        ("name", "kind", "destination", "a minute", "changed (UTC)"),
        found,
        lambda one: (one.name, one.kind, one.shown, str(one.per_minute), minute(one.changed_at)),
        as_json=as_json,
    )


@app.command("test")
def send_test(
    name: Name,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait this long for the first attempt.")
    ] = 60,
) -> None:
    """Send a test message and say whether it arrived. Exit status 1 if it did not."""
    with api_client() as client:
        message = client.await_message(name, client.test_channel(name), within_s=wait)
    if message.state == "delivered":
        note(f"delivered as message {message.id}")
    elif message.last_error:
        fail(f"message {message.id} failed: {message.last_error}")
    else:
        fail(f"message {message.id} was not sent yet: check that the scheduler runs")


@app.command()
def messages(
    name: Name,
    state: State = None,
    limit: Limit = 20,
    *,
    as_json: Json = False,
) -> None:
    """List the messages of a channel and their results, newest first."""
    with api_client() as client:
        found = client.channel_messages(name, state=state, limit=limit)
    print_rows(
        (*ATTEMPT_TITLES, "events", "topic", "error"),
        found,
        lambda one: (*attempt_cells(one), str(one.events), one.topic, one.last_error or "-"),
        as_json=as_json,
    )


@app.command()
def remove(name: Name) -> None:
    """Remove a channel with its messages, and with what waits for it."""
    with api_client() as client:
        client.remove_channel(name)
    note(f"removed channel {name}")
