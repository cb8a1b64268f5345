"""One server away for a while under a whole installation: `python -m tests.chaos.outage postgres --seconds 300`."""
