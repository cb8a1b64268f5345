"""The ingest service as a process: `python -m services.ingest.http [--host H] [--port 8001]`."""

from shared.http.serve import serve

if __name__ == "__main__":
    # The spool belongs to one process. For more, run services with a spool each behind a proxy.
    serve("ingest", "services.ingest.http.main:create_app", 8001, ["database_url"], has_siblings=False)
