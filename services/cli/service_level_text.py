"""Service levels as text: what is promised, and where it stands in total and for each store."""

from collections.abc import Sequence

from services.cli.console import labels_text, minute, print_fields
from services.cli.tables import print_table
from uptill_client import LevelOutcome, LevelTotal, ServiceLevel, ServiceLevelStore


def print_levels(levels: Sequence[ServiceLevel]) -> None:
    """Print a line for each level, with the total of its current period."""
    print_table(
        ("level", "target", "state", "achieved", "left", "burn", "stores"),
        [
            (
                level.name,
                plain_number(level.target, 6),
                *_total_cells(level.evaluation),
                labels_text(level.labels) or "all",
            )
            for level in levels
        ],
    )


def print_stores(stores: Sequence[ServiceLevelStore]) -> None:
    """Print a line for each store."""
    print_table(
        ("store", "state", "achieved", "budget", "used", "left", "burn", "projected", "missing"),
        [_store_row(store) for store in stores],
    )


def print_level(level: ServiceLevel) -> None:
    """Print the terms of a level and the total of its evaluation."""
    caps = " ".join(f"{reason}={plain_number(hours)}h" for reason, hours in level.caps.items())
    terms = [
        ("level", level.name),
        ("target", plain_number(level.target, 6)),
        ("stores", labels_text(level.labels) or "all"),
        ("profile", level.profile),
        ("counts", f"{level.period}, {level.policy}, unknown {level.unknown}, excluded {level.excluded}"),
        *([("caps", caps)] if caps else []),
    ]
    print_fields([*terms, *_outcome_fields(level.evaluation)])


def _outcome_fields(found: LevelOutcome | None) -> list[tuple[str, str]]:
    if found is None:
        return [("state", "not evaluated yet")]
    total = found.total
    counts = ", ".join(f"{number} {state}" for state, number in found.stores.items() if number)
    missing = (
        f"{found.days_missing:,} days of stores; compute their facts:"
        f" `uptill facts build --from {found.first_day} --to {found.through}`"
    )
    return [
        ("period", f"{found.first_day} to {found.last_day}, counted through {found.through}"),
        ("evaluated", f"{minute(found.evaluated_at)}, polls up to {minute(found.as_of)}"),
        ("state", f"{total.state} ({counts or 'no stores'})"),
        ("achieved", f"{_share(total.achieved)}, projected {_share(total.projected)}"),
        (
            "budget",
            f"{plain_number(total.budget_minutes)} min: used {plain_number(total.used_minutes)}, left {plain_number(total.left_minutes)}",
        ),
        ("burn rate", _rate(total.burn_rate)),
        *([("missing", missing)] if found.days_missing else []),
        *([("failed", f"{found.stores_failed} stores")] if found.stores_failed else []),
    ]


def _total_cells(found: LevelOutcome | None) -> tuple[str, str, str, str]:
    if found is None:
        return ("not evaluated yet", "-", "-", "-")
    total: LevelTotal = found.total
    return (total.state, _share(total.achieved), plain_number(total.left_minutes), _rate(total.burn_rate))


def _store_row(store: ServiceLevelStore) -> tuple[str, ...]:
    minutes = (store.budget_minutes, store.used_minutes, store.left_minutes)
    return (
        *(store.store_id, store.state, _share(store.achieved)),
        *map(plain_number, minutes),
        *(_rate(store.burn_rate), _share(store.projected), str(store.days_missing or "-")),
    )


def plain_number(number: float, decimals: int = 2) -> str:
    """Format a number without an exponent and without zeros at its end: minutes have two decimals."""
    return f"{number:,.{decimals}f}".rstrip("0").rstrip(".")


def _share(share: float | None) -> str:
    """Format a share with four decimals, rounded down. The API gives six."""
    return "-" if share is None else f"{round(share * 1e6) // 100 / 1e4:.4f}"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2f}"
