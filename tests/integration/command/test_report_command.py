"""`uptill report`: the file it writes, an empty database, Ctrl-C, and refusals in the words of the command line."""

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.cli.refusals import in_options
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_disk import fill, small_disk
from uptill_client import Poll, UptillClient

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)


@pytest.fixture
def polls(client: UptillClient) -> None:
    client.send_polls(Poll("0042", n % 4 != 0, NOW - timedelta(minutes=55 * n)) for n in range(50))


def test_an_empty_database_has_no_report(services: Services, client: UptillClient, tmp_path: Path) -> None:
    refused = services.run("report", "-o", str(tmp_path / "report.csv"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no polls yet: load some with `uptill ingest`" in refused.stderr
    assert not (tmp_path / "report.csv").exists()
    # Over HTTP an empty report is a legal report.
    empty = client.finished(client.create_report().id)
    client.save(empty.file("csv"), tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text().count("\n") == 1


@pytest.mark.usefixtures("polls")
def test_a_label_that_no_store_has_and_an_id_that_no_report_has(services: Services, tmp_path: Path) -> None:
    refused = services.run("report", "--label", "regoin=north", "-o", str(tmp_path / "r.csv"))
    assert refused.returncode == 1
    assert "no polled store has regoin=north: `uptill stores list` shows the labels" in refused.stderr
    assert not (tmp_path / "r.csv").exists()
    unknown = services.run("reports", "show", "abc")
    assert (unknown.returncode, "report abc does not exist" in unknown.stderr) == (1, True)
    wrong = services.run("report", "-o", str(tmp_path / "r.docx"))
    assert (wrong.returncode, "cannot have the ending .docx" in wrong.stderr) == (2, True)
    assert services.run("report", "-o", str(tmp_path / "r.txt"), "--format", "csv").returncode == 0


@pytest.mark.usefixtures("polls")
class TestOutput:
    """The `-o` file."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "output"
        folder.mkdir()
        return folder

    def test_it_is_checked_before_the_report_is_made(
        self, services: Services, client: UptillClient, folder: Path
    ) -> None:
        (folder / "report.json").mkdir()
        for arguments in (
            ("-o", str(folder)),
            ("-o", str(folder / "missing" / "report.csv")),
            ("-o", str(folder / "report.csv"), "--format", "csv", "--format", "json"),
        ):
            assert services.run("report", *arguments).returncode == 2
        assert list(client.reports()) == []
        assert [path.name for path in folder.iterdir()] == ["report.json"]

    def test_an_existing_file_is_replaced_and_a_link_followed(self, services: Services, folder: Path) -> None:
        (folder / "mine.csv").write_text("old")
        (folder / "link.csv").symlink_to("mine.csv")
        assert services.run("report", "-o", str(folder / "link.csv")).returncode == 0
        assert (folder / "link.csv").is_symlink()
        assert (folder / "mine.csv").read_text().startswith("store_id,")
        assert len(list(folder.iterdir())) == 2

    def test_further_files_beside_a_pdf_are_csv(self, services: Services, folder: Path) -> None:
        """Only the report itself is printed: the other files have the other formats, and CSV if there is none."""
        further = ("--files", "outages", "--files", "summary", "--files", "service_levels")
        for formats in (("--format", "pdf"), ("--format", "pdf", "--format", "json")):
            done = services.run("report", "-o", str(folder / "r.pdf"), *formats, *further)
            assert done.returncode == 0, done.stderr
        kinds = ("outages", "summary", "service_levels")
        written = {f"r-{kind}.{ending}" for kind in kinds for ending in ("csv", "json")}
        assert {path.name for path in folder.iterdir()} == {"r.pdf", "r.json", *written}

    def test_a_device_and_a_pipe_are_written_to(self, services: Services, folder: Path) -> None:
        assert services.run("report", "-o", "/dev/null").returncode == 0
        assert Path("/dev/null").is_char_device()
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
            assert services.run("report", "-o", str(pipe)).returncode == 0
            assert reader.communicate()[0].startswith("store_id,")

    def test_a_full_disk_is_called_that_and_the_report_is_kept(
        self, services: Services, tmp_path: Path, folder: Path
    ) -> None:
        with small_disk(tmp_path / "disk", 64) as disk:
            fill(disk)
            refused = services.run("report", "-o", str(disk / "report.csv"))
            assert refused.returncode == 1
            assert "the disk is full" in refused.stderr
            assert [path.name for path in disk.iterdir()] == ["filler"]
        (report_id,) = re.findall(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", refused.stderr)
        assert services.run("reports", "download", report_id, "-o", str(folder / "r.csv")).returncode == 0
        assert (folder / "r.csv").read_text().startswith("store_id,")


class TestCtrlC:
    """A report goes on without its command."""

    def test_ctrl_c_names_the_report_and_how_to_get_it(
        self, services_without_worker: Services, tmp_path: Path
    ) -> None:
        services = services_without_worker
        settings = services.settings
        client = UptillClient(
            settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"], ingest_url=settings["UPTILL_INGEST_URL"]
        )
        with client:
            client.send_polls([Poll("0042", True, NOW)])
            output = tmp_path / "output"
            output.mkdir()
            command = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "report", "-o", str(output / "report.csv")],
                env={**os.environ, **settings},
                stderr=subprocess.PIPE,
                text=True,
            )
            wait_until(lambda: list(client.reports()), "the report")
            (report,) = client.reports()
            command.send_signal(signal.SIGINT)
            said = " ".join(command.communicate()[1].split())
            assert command.returncode == 130
            assert f"Report {report.id} continues" in said
            assert f"`uptill reports download {report.id} -o report.csv`" in said
            assert list(output.iterdir()) == []
            services.worker()
            got = services.run("reports", "download", report.id, "-o", str(output / "report.csv"))
            assert got.returncode == 0, got.stderr
            assert (output / "report.csv").read_text().count("\n") == 2


REFUSED = (
    (("report", "--as-of", "yesterday"), "--as-of"),
    (("report", "--window", "P1M"), "--window"),
    (("report", "--store", "x" * 2000), "--store"),
    (("report", "--label", "region=\x01"), "region"),
    (("reports", "list", "--state", "odd"), "--state"),
    (("reports", "list", "--policy", "odd"), "--policy"),
    (("stores", "timeline", "0042", "--window", "odd"), "--window"),
    (
        ("stores", "timeline", "0042", "--as-of", "2024-10-14T18:00:00Z", "--from", "2030-01-01T00:00Z"),
        "out of order",
    ),
    (("schedules", "create", "n", "--cron", "61 * * * *", "--zone", "UTC"), "cron"),
    (("schedules", "create", "n", "--cron", "1 * * * *", "--zone", "Mars"), "time zone"),
    (("schedules", "create", "", "--cron", "1 * * * *", "--zone", "UTC", "--s3-prefix", "a"), "NAME"),
    (
        ("schedules", "create", "n", "--cron", "1 * * * *", "--zone", "UTC", "--webhook-url", "x"),
        "--webhook-url",
    ),
    (("webhooks", "create", "ftp://x"), ""),
    (("webhooks", "create", "https://example.com", "--event", "odd"), "--event"),
    (("webhooks", "deliveries", "--state", "odd"), "--state"),
    (("outages", "--store", "caf\udce9", "--store", "0042"), "not UTF-8"),
)


@pytest.mark.usefixtures("polls")
def test_a_refusal_names_the_option(services: Services) -> None:
    for arguments, says in REFUSED:
        refused = services.run(*arguments)
        said = " ".join(refused.stderr.split())
        assert refused.returncode == 2, (arguments, said)
        assert says in said, arguments
        assert not any(place in said for place in ("body.", "query.", "path.", "header.")), said


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("body.as_of: must be a time", "--as-of: must be a time"),
        ("body.windows.1: 'P1M' is not a window", "--window: 'P1M' is not a window"),
        ("body.stores.ids.0: too long; body.stores.labels: odd", "--store: too long; --label: odd"),
        ("body.report.formats.0: must be 'csv'", "--format: must be 'csv'"),
        ("deliver.webhook_url is not a valid URL", "--webhook-url is not a valid URL"),
        ("query.created_after: must be a time", "--since: must be a time"),
        ("the bucket refuses this", "the bucket refuses this"),
        (
            "nothing exists at /v1/reports/x/stores/a:b c: check the id in the path",
            "report x does not exist",
        ),
        ("nothing exists at /v1/facts/x: check the id in the path", "facts job x does not exist"),
        (
            "channel 'x' does not exist: GET /v1/channels lists the channels",
            "channel 'x' does not exist: `uptill channels list` lists the channels",
        ),
        ("body.secret: must have 16 characters", "--secret-file: must have 16 characters"),
        (
            "reason 'x' does not exist: GET /v1/reasons lists the reasons",
            "reason 'x' does not exist: `uptill reasons list` lists the reasons",
        ),
        ("body.mapping.statuses.up: must be 'active'", "mapping.statuses.up: must be 'active'"),
        ("body.delivery.quiet_until: odd; body.ends_at: odd", "--quiet: odd; --to: odd"),
        ("nothing exists at /v1/hooks/: see /docs for all paths", "the name or id is empty: give one"),
        ("path.store_id: odd; path.rule: odd", "ID: odd; NAME: odd"),
        ("to[1] is there twice: give each", "--to is there twice: give each"),
        (
            "url is missing: a channel of kind chat needs one",
            "--url-file is missing: a channel of kind chat needs one",
        ),
    ],
)
def test_fields_are_named_as_options(detail: str, said: str) -> None:
    assert in_options(detail) == said
