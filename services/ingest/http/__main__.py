"""The ingest service as a process: `python -m services.ingest.http [--host H] [--port 8001]`."""

from shared.http.serve import serve

if __name__ == "__main__":
    serve("ingest", "services.ingest.http.main:create_app", 8001, ["database_url"])
