"""Migrations, logins, pools, and a slow, full or locked Postgres."""
