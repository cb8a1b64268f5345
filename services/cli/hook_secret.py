"""Says what `uptill hooks put --dry-run` found about a hook's secret. Never shows one."""

from services.cli.console import instant
from uptill_client import Hook


def describe_secret(planned: Hook, *, is_given: bool) -> str | None:
    """Return what would become of the secret. None if the hook needs none, or the service is of an earlier release."""
    new = "the given one" if is_given else "a new one, which the command would print"
    before = (
        f"would stay valid until {instant(planned.previous_secret_until)}"
        if planned.previous_secret_until
        else "would end at once"
    )
    match planned.secret_change:
        case "added":
            return f"its secret would be {new}"
        case "kept":
            return "its secret would be kept"
        case "replaced":
            return f"its secret would be replaced by {new}; the one before {before}"
        case "removed":
            return "its secret would be removed, because its callers show API keys"
    return None
