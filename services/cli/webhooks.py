"""`uptill webhooks`: who is told when a report ends, by HTTP with an admin's key."""

from typing import Annotated

import typer

from services.cli.connection import api_client
from services.cli.console import Json, note, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Webhooks: endpoints, the signing secret of a key, deliveries.")
EndpointId = Annotated[str, typer.Argument(metavar="ID", help="The endpoint's id.")]


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="An https address of the public internet.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable: report.succeeded, report.failed, report.canceled. Default: all."),
    ] = None,
    description: Annotated[str, typer.Option(help="For people.")] = "",
) -> None:
    """Register an endpoint and print its secret; it cannot be shown again."""
    with api_client() as client:
        made = client.create_endpoint(url, events=event, description=description)
    note(f"endpoint {made.id} is told of {', '.join(made.events)}. Keep its secret now:")
    print(made.secret)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Show all endpoints, without their secrets."""
    with api_client() as client:
        found = client.endpoints()
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "url", "events", "state", "failing since", "because"),
        [
            (
                *(one.id, one.url, " ".join(one.events), one.state),
                f"{one.failing_since:%Y-%m-%d %H:%M}" if one.failing_since else "-",
                one.disabled_because or "-",
            )
            for one in found
        ],
    )


@app.command()
def delete(endpoint_id: EndpointId) -> None:
    """Forget an endpoint with its deliveries."""
    with api_client() as client:
        client.delete_endpoint(endpoint_id)
    note(f"endpoint {endpoint_id} is deleted")


@app.command()
def enable(endpoint_id: EndpointId) -> None:
    """Send to a disabled endpoint again."""
    with api_client() as client:
        client.enable_endpoint(endpoint_id)
    note(f"endpoint {endpoint_id} is enabled")


@app.command()
def secret() -> None:
    """Make the secret that signs deliveries to the `webhook_url` of this key's reports, and print it."""
    with api_client() as client:
        made = client.make_webhook_secret()
    note("Keep this secret now; it cannot be shown again. The one before signs along for 24 hours.")
    print(made)


@app.command()
def deliveries(
    endpoint: Annotated[str | None, typer.Option(help="Only to this endpoint.")] = None,
    report: Annotated[str | None, typer.Option(help="Only of this report.")] = None,
    state: Annotated[str | None, typer.Option(help="pending, leased, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    *,
    as_json: Json = False,
) -> None:
    """Show the newest deliveries and what became of them."""
    with api_client() as client:
        found = client.deliveries(endpoint_id=endpoint, report_id=report, state=state, limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "created", "event", "report", "url", "state", "attempt", "status", "error"),
        [
            (
                *(one.id, f"{one.created_at:%Y-%m-%d %H:%M:%S}", one.event, one.report_id, one.url),
                *(one.state, str(one.attempt), str(one.last_status or "-"), one.last_error or "-"),
            )
            for one in found
        ],
    )


@app.command()
def resend(delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")]) -> None:
    """Send a delivery again, under the same webhook-id."""
    with api_client() as client:
        client.resend(delivery_id)
    note(f"delivery {delivery_id} is due now")
