"""`uptill webhooks`: endpoints that get an event when a report ends, signing secrets, deliveries."""

from typing import Annotated

import typer

from services.cli.attempts import ATTEMPT_TITLES, Limit, State, attempt_cells
from services.cli.connection import api_client
from services.cli.console import Json, minute, note
from services.cli.tables import print_rows

app = typer.Typer(no_args_is_help=True, help="Manage webhooks: endpoints, signing secrets, deliveries.")
EndpointId = Annotated[str, typer.Argument(metavar="ID", help="The endpoint's id.")]


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="A public https URL.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable: report.succeeded, report.failed, report.canceled. Default: all."),
    ] = None,
    description: Annotated[str, typer.Option(help="A note for people.")] = "",
) -> None:
    """Register an endpoint and print its signing secret. It cannot be shown again."""
    with api_client() as client:
        made = client.create_endpoint(url, events=event, description=description)
    note(f"endpoint {made.id} gets {', '.join(made.events)}. Save its signing secret now:")
    print(made.secret)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all endpoints, without their secrets."""
    with api_client() as client:
        found = client.endpoints()
    print_rows(
        ("id", "state", "url", "failing since (UTC)", "disabled because", "events"),
        found,
        lambda one: (
            *(one.id, one.state, one.url, minute(one.failing_since)),
            *(one.disabled_because or "-", " ".join(one.events)),
        ),
        as_json=as_json,
    )


@app.command()
def delete(endpoint_id: EndpointId) -> None:
    """Delete an endpoint and its deliveries."""
    with api_client() as client:
        client.delete_endpoint(endpoint_id)
    note(f"deleted endpoint {endpoint_id}")


@app.command()
def enable(endpoint_id: EndpointId) -> None:
    """Enable a disabled endpoint again."""
    with api_client() as client:
        client.enable_endpoint(endpoint_id)
    note(f"enabled endpoint {endpoint_id}")


@app.command()
def secret() -> None:
    """Create and print the secret that signs events for the `webhook_url` of this key's reports."""
    with api_client() as client:
        made = client.make_webhook_secret()
    note(
        "Save this secret now: it cannot be shown again. The previous secret, if any, also signs for 24 hours."
    )
    print(made)


@app.command()
def deliveries(
    endpoint: Annotated[str | None, typer.Option(help="Only deliveries to this endpoint.")] = None,
    report: Annotated[str | None, typer.Option(help="Only deliveries of this report.")] = None,
    state: State = None,
    limit: Limit = 20,
    *,
    as_json: Json = False,
) -> None:
    """List deliveries and their results, newest first."""
    with api_client() as client:
        found = client.deliveries(endpoint_id=endpoint, report_id=report, state=state, limit=limit)
    print_rows(
        (*ATTEMPT_TITLES, "event", "report", "error", "url"),
        found,
        lambda one: (*attempt_cells(one), one.event, one.report_id, one.last_error or "-", one.url),
        as_json=as_json,
    )


@app.command()
def resend(delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")]) -> None:
    """Send a delivery again with the same webhook-id."""
    with api_client() as client:
        client.resend(delivery_id)
    note(f"delivery {delivery_id} will be sent again now")
