"""Numbered migrations; see `shared.db.migrate`."""
