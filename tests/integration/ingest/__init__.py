"""Files, uploads and live polls, into a real database."""
