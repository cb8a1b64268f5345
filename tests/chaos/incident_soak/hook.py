"""A receiver of messages that writes down each of them, and refuses some: `python -m tests.chaos.incident_soak.hook DIR SEED PORT`."""

import json
import random
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from services.local.ports import HOST
from tests.chaos.soak.journal import Journal

_REFUSES = 0.2
_MOST_REFUSALS = 2  # of one message: after more, the next attempt may come after the soak has ended


def main(directory: Path, seed: str, port: int) -> None:
    """Serve until killed."""
    draw, journal = random.Random(f"{seed}/hook"), Journal(directory / "messages.jsonl")
    refused = Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            message = self.headers["webhook-id"]
            takes = draw.random() >= _REFUSES or refused[message] == _MOST_REFUSALS
            refused[message] += not takes
            journal.write(
                "message",
                id=message,
                counts=body["data"]["counts"],
                topic=body["data"]["topic"],
                taken=takes,
            )
            self.send_response(204 if takes else 503)
            self.end_headers()

    HTTPServer((HOST, port), Handler).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
