"""Servers away for a while under a whole installation: `python -m tests.chaos.outage postgres valkey --seconds 300`."""
