"""`uptill hooks`: how calls of other systems become polls."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from services.cli.connection import api_client
from services.cli.console import Json, instant, minute, note, print_fields, print_json
from services.cli.given_files import read_object, read_text
from services.cli.hook_secret import describe_secret
from services.cli.hook_trial import HEADER_FORM, parse_headers, read_sample, show_trial
from services.cli.parameters import DryRun
from services.cli.tables import print_rows
from shared.exit_codes import ExitCode
from uptill_client import Hook

app = typer.Typer(no_args_is_help=True, help="Manage hooks, which other systems call with polls.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The hook's name, which is part of its URL.")]
SecretFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="File with the secret of the sender. -: standard input."),
]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", metavar="PRESET", help="Defaults; `uptill hooks presets` lists them."),
]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all hooks. Secrets are never shown."""
    with api_client() as client:
        found = client.hooks()
    print_rows(
        (
            "name", "version", "signature", "preset", "changed (UTC)", "last stored call (UTC)", "stored calls",
            "rejected items", "ignored calls",
        ),
        found,
        lambda one: (
            one.name, str(one.version), one.signature["scheme"], one.preset or "-", minute(one.changed_at),
            minute(one.last_call_at) if one.last_call_at else "-", f"{one.calls:,}", f"{one.rejected:,}",
            f"{one.ignored_calls:,}",
        ),
        as_json=as_json,
    )  # fmt: skip


@app.command()
def presets(*, as_json: Json = False) -> None:
    """List presets: mappings for payloads whose shape is public."""
    with api_client() as client:
        found = client.hook_presets()
    print_rows(("preset", "what it reads"), found, lambda one: (one.name, one.summary), as_json=as_json)


@app.command()
def put(
    name: Name,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            show_default=False,
            help="JSON with description, preset, mapping and signature. -: standard input.",
        ),
    ] = None,
    preset: PresetName = None,
    secret_file: SecretFile = None,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Add a hook, or give it another document. Prints a secret that was made."""
    document = read_object(file) if file else {}
    if preset:
        document["preset"] = preset
    if secret_file:
        document["secret"] = read_text(secret_file).strip()
    with api_client() as client:
        changed = client.put_hook(name, document, dry_run=dry_run)
    if dry_run and not as_json:
        note(f"dry run, nothing was changed: hook {changed.name} would be at version {changed.version}")
        if planned := describe_secret(changed, is_given=document.get("secret") is not None):
            note(planned)
        return
    _show_changed(changed, as_json=as_json)


@app.command()
def show(
    name: Name,
    versions: Annotated[
        bool, typer.Option("--versions", help="Show what it was before, newest first.")
    ] = False,
    *,
    as_json: Json = False,
) -> None:
    """Show a hook with its mapping, or its versions."""
    with api_client() as client:
        found: Any = client.hook_versions(name) if versions else client.get_hook(name)
    if as_json or versions:
        print_json(found)
        return
    print_fields(
        [
            ("path", found.path),
            ("description", found.description or "-"),
            ("version", f"{found.version}, {minute(found.changed_at)} UTC"),
            ("preset", found.preset or "-"),
            ("stored calls", _describe_stored(found)),
            ("ignored calls", _describe_ignored(found)),
            ("signature", _shorten(found.signature)),
            ("mapping", _shorten(found.mapping)),
        ]
    )


@app.command("test")
def try_sample(
    name: Name,
    sample: Annotated[
        str, typer.Argument(metavar="SAMPLE", help="File with a payload as JSON. -: standard input.")
    ],
    mapping: Annotated[
        str | None, typer.Option(metavar="FILE", help="Try the mapping of this document, not the hook's.")
    ] = None,
    preset: PresetName = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar=HEADER_FORM, help="A header that the mapping reads. Repeat it for several."),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show what a sample would become. Stores nothing. Exit status 1 if an item is rejected.

    Signatures are not checked.
    """
    headers = parse_headers(header)
    payload = read_sample(sample)
    draft = read_object(mapping) if mapping else {}
    with api_client() as client:
        found = client.try_hook(
            name,
            payload,
            headers=headers,
            preset=preset or draft.get("preset"),
            mapping=draft.get("mapping", draft) or None,
        )
    if as_json:
        print_json(found)
    else:
        show_trial(found)
    if found.rejects:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def rotate(
    name: Name,
    secret_file: SecretFile = None,
    overlap: Annotated[
        int,
        typer.Option(metavar="SECONDS", min=0, max=2_592_000, help="How long the old secret stays valid."),
    ] = 86_400,
    *,
    as_json: Json = False,
) -> None:
    """Replace a hook's secret. Prints a secret that was made."""
    secret = read_text(secret_file).strip() if secret_file else None
    with api_client() as client:
        changed = client.replace_hook_secret(name, secret, overlap_s=overlap)
    _show_changed(changed, as_json=as_json)


@app.command()
def delete(name: Name) -> None:
    """Remove a hook. The polls that it received stay."""
    with api_client() as client:
        client.delete_hook(name)
    note(f"removed hook {name}")


def _describe_stored(found: Hook) -> str:
    if found.last_call_at is None:
        return "none"
    items = "1 item" if found.rejected == 1 else f"{found.rejected:,} items"
    rejects = f" (the latest ones: uptill rejects {found.rejects_import})" if found.rejects_import else ""
    return f"{found.calls:,}, the last at {minute(found.last_call_at)} UTC; {items} rejected{rejects}"


def _describe_ignored(found: Hook) -> str:
    if found.last_ignored_at is None:
        return "none"
    return f"{found.ignored_calls:,}, the last at {minute(found.last_ignored_at)} UTC; no item in them was wanted"


def _show_changed(changed: Hook, *, as_json: bool) -> None:
    if as_json:
        print_json(changed)
        return
    note(f"hook {changed.name} is at version {changed.version}; senders call {changed.path}")
    if changed.previous_secret_until:
        note(f"the secret before is valid until {instant(changed.previous_secret_until)}")
    if changed.secret:
        note("Save its secret now: it cannot be shown again.")
        print(changed.secret)


def _shorten(document: Mapping[str, Any]) -> str:
    """Return the parts of a document that say something."""
    return json.dumps({name: value for name, value in document.items() if value not in (None, "", {}, False)})
