"""Files, uploads and live polls, loaded into a real database."""
