"""A migration only adds, so the previous release keeps working while it runs."""

import re

import pytest

from shared.db.migrate import known_migrations

# The first release begins with this migration. Each release raises it to its newest one, and may drop what the previous
# release no longer used (docs/how-to/upgrade.md).
LAST_RELEASED = 9

BREAKING = {
    "drops what old code may use": r"\bdrop\s+(table|view|column|function|schema|type)\b(?!.*-- unused since)",
    "renames": r"\brename\b",
    "changes a type": r"\balter\s+(column\s+)?\w+\s+(set\s+data\s+)?type\b",
    "demands a value that old code does not give": r"\bset\s+not\s+null\b",
    "adds a column that old code does not fill": r"\badd\s+(column\s+)?\w+\s+[^,;]*\bnot\s+null\b(?![^,;]*\bdefault\b)",
    "takes a right away": r"\brevoke\s+(?!execute)(?!.*-- unused since)",
    "holds a table while it reads it all": r"\bcreate\s+(unique\s+)?index\s+(?!concurrently)[^;]*\bon\s+observation\b",
}


def faults(text: str) -> list[str]:
    """Return the statements of a migration that would break the previous release. Bodies of functions do not count."""
    statements = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    return [
        fault
        for fault, pattern in BREAKING.items()
        if re.search(pattern, re.sub(r"default[^,;]*not null", "default", statements), re.IGNORECASE)
    ]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("alter table report drop column rows;", "drops what old code may use"),
        ("drop view due_batch;", "drops what old code may use"),
        ("alter table report rename column rows to lines;", "renames"),
        ("alter table report alter column rows type integer;", "changes a type"),
        ("alter table store alter timezone set not null;", "demands a value that old code does not give"),
        ("alter table store add column owner text not null;", "adds a column that old code does not fill"),
        ("revoke select on store from uptill_api;", "takes a right away"),
        ("create index on observation (observed_at);", "holds a table while it reads it all"),
    ],
)
def test_a_breaking_statement_is_found(statement: str, fault: str) -> None:
    assert faults(statement) == [fault]


@pytest.mark.parametrize(
    "statement",
    [
        "alter table store add column owner text;",
        "alter table store add column rank integer not null default 0;",
        "alter table store add column rank integer default 0 not null;",
        "create table note (id uuid primary key, text text not null);",
        "alter table report drop column rows; -- unused since 0.2",
        "create function f() returns void language plpgsql as $$ begin drop table x; end $$;",
        "revoke execute on function f() from public;",
        "revoke update on api_key from uptill_api; -- unused since 0.2",
    ],
)
def test_an_addition_is_allowed(statement: str) -> None:
    assert faults(statement) == []


def test_no_migration_since_the_last_release_breaks_the_code_before_it() -> None:
    found = {
        migration.name: broken
        for migration in known_migrations()
        if migration.version > LAST_RELEASED and (broken := faults(migration.sql))
    }
    assert found == {}
