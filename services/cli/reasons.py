"""`uptill reasons`: list, add and remove the words that polls may give as their reason."""

from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, note, print_json
from services.cli.tables import print_table

app = typer.Typer(no_args_is_help=True, help="Manage the reasons that polls may give.")
Word = Annotated[str, typer.Argument(metavar="WORD", help="The word, such as oven_broken.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the words that polls may give as their reason."""
    with api_client() as client:
        found = client.reasons()
    if as_json:
        print_json(found)
        return
    print_table(
        ("word", "from", "meaning"),
        [(one.word, "Uptill" if one.is_builtin else "you", one.description or "-") for one in found],
    )


@app.command()
def add(
    word: Word,
    description: Annotated[
        str, typer.Argument(metavar="[MEANING]", show_default=False, help="What the word means.")
    ] = "",
) -> None:
    """Add a word, or change what it means."""
    with api_client() as client:
        made = client.set_reason(word, description)
    note(f"polls may give the reason {made.word}")


@app.command()
def remove(word: Word) -> None:
    """Remove a word. Polls that gave it keep it."""
    with api_client() as client:
        client.remove_reason(word)
    note(f"removed reason {word}")
