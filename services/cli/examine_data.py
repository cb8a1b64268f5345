"""`uptill doctor data`: what may be wrong with the hours, dates, zones, lifetimes and closures of all stores."""

from services.cli.console import fail, note, print_json
from services.cli.tables import print_table
from shared.db.connect import connect
from shared.diagnostics.find import find_all
from shared.diagnostics.registry import DIAGNOSTICS
from shared.errors import UptillError
from shared.exit_codes import exit_code_of
from shared.explain import explain
from shared.settings import Settings


def examine_data(settings: Settings, *, as_json: bool) -> None:
    """Print what all diagnostics find. End the command with status 1 if one is an error."""
    try:
        with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
            found = find_all(conn)
    except UptillError as error:
        fail(explain(error), code=exit_code_of(error))
    if as_json:
        print_json(
            [{**vars(one), "severity": one.severity, "fix": DIAGNOSTICS[one.name].fix} for one in found]
        )
    else:
        print_table(
            ("severity", "name", "number", "finding and what to do"),
            [(one.severity, one.name, f"{one.count:,}", one.sentence) for one in found],
        )
    errors = [one.name for one in found if one.severity == "error"]
    if errors:
        fail(f"reports leave stores out: {', '.join(errors)}")
    if not found:
        note("no diagnostic found anything")
