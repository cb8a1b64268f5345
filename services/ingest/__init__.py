"""Loads polls, opening hours and time zones: from files by `uptill ingest`, and over HTTP by the ingest service."""
