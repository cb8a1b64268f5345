"""Health check of a container: `health.py http PORT` asks the service, `health.py session` looks for its Postgres session.

Workers and schedulers hold a session once they have started. A process that hangs while it starts has none.
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

_TIMEOUT_S = 5
_OWN_SESSIONS = """
    select count(*) from pg_stat_activity
    where client_addr = inet_client_addr() and application_name like 'uptill-%' and pid <> pg_backend_pid()
"""


def _answers_http() -> bool:
    connection = HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=_TIMEOUT_S)
    connection.request("GET", "/readyz")
    return connection.getresponse().status == HTTPStatus.OK


def _holds_session() -> bool:
    # The check of the API does not need it.
    import psycopg  # noqa: PLC0415

    path = os.environ.get("UPTILL_DATABASE_URL_FILE")
    url = Path(path).read_text().strip() if path else os.environ["UPTILL_DATABASE_URL"]
    with psycopg.connect(url, connect_timeout=_TIMEOUT_S, application_name="health") as conn:
        row = conn.execute(_OWN_SESSIONS).fetchone()
    return row is not None and row[0] > 0


if __name__ == "__main__":
    sys.exit(not {"http": _answers_http, "session": _holds_session}[sys.argv[1]]())
