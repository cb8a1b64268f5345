"""The accounting of uptime: pure functions on numpy arrays, no database, no web, no queue."""
