"""The ingest service, a process of its own: uploads, live polls, and changes of one store."""
