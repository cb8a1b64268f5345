"""The commands of the pages, run as printed on the data of `uptill sample`: each finds the store that it names."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.sample.fleet import DOCUMENTED
from tests.fixtures.services import Services
from tests.integration.command.conftest import started_services
from tests.integration.command.test_client import blocks, in_a_shell

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PAGES = (
    *("docs/how-to/stores.md", "docs/how-to/live-polls.md", "docs/how-to/reports.md"),
    *("docs/how-to/closures.md", "docs/how-to/explain.md", "docs/how-to/outages.md"),
    *("docs/how-to/trends.md", "docs/how-to/service-levels.md", "docs/how-to/summary.md"),
    *("docs/how-to/alerts.md", "docs/how-to/reasons.md", "docs/how-to/reconcile.md"),
)


@pytest.fixture
def folder(services: Services, tmp_path: Path) -> Path:
    """Where a reader is who has loaded the sample: a small one, and files of the reader's own."""
    return load_sample(services, tmp_path)


@pytest.fixture(scope="module")
def shared_folder(shared_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for all pages whose commands change nothing that another page shows."""
    folder = tmp_path_factory.mktemp("reader")
    with started_services(shared_env, folder) as services:
        services.worker()
        yield load_sample(services, folder)


def load_sample(services: Services, folder: Path) -> Path:
    (folder / ".uptill").mkdir()
    settings = "".join(f"{name}={shlex.quote(value)}\n" for name, value in services.settings.items())
    (folder / ".uptill" / "env").write_text(settings)
    in_a_shell(
        "uptill sample data --stores 60 --days 9 && uptill ingest data\n"
        "cp data/timezones.csv polls.csv && cp data/menu_hours.csv hours.csv && gzip -k polls.csv\n"
        "mv polls.csv.gz export.csv.gz",
        folder,
    )
    return folder


def test_the_commands_of_the_pages_find_their_stores(folder: Path) -> None:
    shown = in_a_shell("uptill stores timeline 0042 --window last_week", folder)
    assert re.search(r"^up at least .* from [1-9]\d* polls$", shown, re.MULTILINE)
    for page in PAGES:
        in_a_shell(". .uptill/env\n" + "".join(blocks(page, "sh")), folder)
    report = in_a_shell("uptill report --store 0042 --store 0043", folder)
    assert report.count("\n") == 3


def test_the_commands_of_the_page_of_insights(shared_folder: Path) -> None:
    shown = in_a_shell(". .uptill/env\n" + "".join(blocks("docs/how-to/insights.md", "sh")), shared_folder)
    assert re.search(r"^risk_1h ", shown, re.MULTILINE), shown


def test_the_page_of_explain_shows_what_its_command_prints(shared_folder: Path) -> None:
    made = in_a_shell("uptill -q report -o report.csv && uptill reports list --json", shared_folder)
    report_id = json.loads(made)[0]["id"]
    page = "docs/how-to/explain.md"
    shown = in_a_shell(f"uptill -q explain {report_id} 0042 --window last_week", shared_folder)
    printed = Path(page).read_text().partition("the first `explain` prints:\n\n```\n")[2].partition("```")[0]
    assert re.sub(UUID, "ID", shown) == re.sub(UUID, "ID", printed)


def test_the_page_of_outages_shows_what_its_command_prints(shared_folder: Path) -> None:
    shown = in_a_shell("uptill -q outages --store 0042 --store 0043 --window last_week", shared_folder)
    printed = Path("docs/how-to/outages.md").read_text()
    assert f"the first command prints:\n\n```\n{shown}```\n" in printed


def test_the_page_of_reconcile_shows_what_its_command_prints(shared_folder: Path) -> None:
    page = "docs/how-to/reconcile.md"
    shown = in_a_shell(blocks(page, "sh")[0].rstrip() + " 2>&1", shared_folder)
    print(shown)
    assert f"this prints:\n\n```\n{shown}```\n" in Path(page).read_text()


def test_the_pages_of_trends_and_policies_show_what_their_commands_print(shared_folder: Path) -> None:
    page = "docs/how-to/trends.md"
    printed = Path(page).read_text() + Path("docs/how-to/stores.md").read_text()
    for policy in ("classic", "hold"):
        in_a_shell(
            f"uptill -q facts build --policy {policy} --from 2024-09-30 --to 2024-10-13", shared_folder
        )
    commands = [line for block in blocks(page, "sh") for line in block.splitlines() if " series " in line]
    shown = [in_a_shell(line.replace("uptill ", "uptill -q "), shared_folder) for line in commands]
    day = "--policy classic --policy hold --window day_of:2024-10-10"
    shown.append(in_a_shell(f"uptill -q stores policies 0043 {day}", shared_folder))
    print(*shown, sep="\n")
    assert len(shown) >= 4
    assert all(f"```\n{text}```\n" in printed for text in shown)


def test_the_pages_name_only_stores_of_the_sample() -> None:
    named = {
        store
        for page in PAGES
        for block in blocks(page, "sh")
        for store in re.findall(r"(?:--store |stores (?:show|label|timeline) |/v1/stores/)([\w-]+)", block)
    }
    assert named
    assert named <= set(DOCUMENTED)
