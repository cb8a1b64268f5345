"""The ingest service: uploads as imports, live polls, changes of one store. A process of its own."""
