"""`uptill channels` against the real API and scheduler: every subcommand; no destination is printed."""

import json
from pathlib import Path

from standardwebhooks import Webhook

from tests.fixtures.mailbox import mailbox
from tests.fixtures.receiver import receiver
from tests.fixtures.services import Services

TOKEN = "s3cr3t-t0ken"


def test_every_subcommand(env: dict[str, str], tmp_path: Path) -> None:
    with receiver() as hook, mailbox() as box:
        more = {
            "COLUMNS": "250",
            "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true",
            "UPTILL_SMTP_HOST": "127.0.0.1",
            "UPTILL_SMTP_PORT": str(box.port),
            "UPTILL_SMTP_TLS": "none",
            "UPTILL_SMTP_FROM": "uptill@example.com",
        }
        with Services({**env, **more}, tmp_path) as services:
            services.api()
            services.scheduler()
            printed = []

            def run(*arguments: str, status: int = 0) -> str:
                done = services.run("channels", *arguments)
                assert done.returncode == status, done.stderr
                printed.append(done.stdout + done.stderr)
                return done.stdout + done.stderr

            url = tmp_path / "url"
            url.write_text(f"{hook.url}/{TOKEN}\n")
            secret = run("set", "hook", "webhook", "--url-file", str(url)).splitlines()[0]
            run("set", "mail", "email", "--to", f"{TOKEN}@example.com", "--per-minute", "5", "--no-attach")
            listed = run("list")
            assert "s…@example.com" in listed
            assert "http://127.0.0.1/…" in listed
            assert {one["name"] for one in json.loads(run("list", "--json"))} == {"hook", "mail"}
            assert "delivered as message" in run("test", "hook")
            assert "delivered as message" in run("test", "mail")
            (request,) = hook.received
            assert Webhook(secret).verify(request.body, request.headers)["type"] == "channel.test"
            assert box.received[0].mail["Subject"] == "Test: Test of the channel mail"
            hook.answer = lambda _: (503, {}, TOKEN.encode())
            assert "failed: it answered 503" in run("test", "hook", status=1)
            assert "it answered 503" in run("messages", "hook", "--state", "pending")
            assert len(json.loads(run("messages", "hook", "--json"))) == 2
            assert "does not exist" in run("test", "gone", status=1)
            assert "cannot read" in run("set", "x", "chat", "--url-file", str(tmp_path / "none"), status=2)
            run("remove", "hook")
            assert "hook" not in run("list")
            logs = "".join(file.read_text(errors="replace") for file in tmp_path.glob("*.log"))
    assert TOKEN not in logs + "".join(printed)
    assert secret not in logs + "".join(printed[1:])
