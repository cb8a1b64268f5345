"""Postgres: connection pools, migrations and named SQL queries."""
