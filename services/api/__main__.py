"""The API as a process: `python -m services.api [--host H] [--port 8000] [--workers 1]`."""

from shared.http.serve import serve

if __name__ == "__main__":  # the processes of `--workers` import this module too
    serve("api", "services.api.main:create_app", 8000, ["database_url", "redis_url", "s3_bucket"])
