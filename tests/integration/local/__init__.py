"""The embedded stack: start, stop, failure and privacy."""
