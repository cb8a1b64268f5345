"""Run a stack with sample data, open its pages, and write a picture of each: `python -m tests.screenshots`."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from services.cli.demo import run_stack
from services.local.settings_file import read_settings
from tests.screenshots.live import prepare_live
from tests.screenshots.pictures import BAD_FILE, MOST_BYTES, PICTURES, Picture

FOLDER = Path(__file__).parents[2] / "docs" / "assets" / "page"
_STEPS: Sequence[Sequence[str]] = (
    ("sample", "{sample}", "--stores", "400", "--days", "70"),
    ("ingest", "{sample}"),
    ("facts", "build", "--from", "2024-08-06", "--to", "2024-10-14"),
    ("service-levels", "set", "fleet", "--target", "0.7"),
    ("service-levels", "set", "flagship", "--target", "0.72"),
    ("report", "-o", "{output}"),
    ("upload", "{bad}"),
)


def make_pictures() -> None:
    """Replace the pictures in the documentation."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    for is_live in (False, True):
        with tempfile.TemporaryDirectory(prefix="uptill-pictures-") as folder:
            data = Path(folder, "stack")
            environment["UPTILL_DATA"] = str(data)
            with run_stack(data, environment):
                if is_live:
                    prepare_live(data, Path(folder), environment)
                else:
                    _prepare(Path(folder), environment)
                settings = read_settings(data / "env")
                chosen = [picture for picture in PICTURES if picture.is_live == is_live]
                _open_all(chosen, settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"])


def _prepare(folder: Path, environment: Mapping[str, str]) -> None:
    """Load the sample, which has the same data each time."""
    names = {"sample": f"{folder}/sample", "output": f"{folder}/report.csv", "bad": f"{folder}/polls.csv"}
    Path(names["bad"]).write_text(BAD_FILE)
    for step in _STEPS:
        arguments = [each.format(**names) for each in step]
        subprocess.run([sys.executable, "-m", "services.cli", *arguments], env=dict(environment), check=False)


def _open_all(pictures: Sequence[Picture], url: str, key: str) -> None:
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("install chromium: apt-get install chromium")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for picture in pictures:
            _take(browser, picture, url, key)
        browser.close()


def _take(browser: Browser, picture: Picture, url: str, key: str) -> None:
    context = browser.new_context(
        base_url=url,
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.colours,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("nav[aria-label=Main]")
    page.goto(picture.path)
    picture.prepare(page)
    file = FOLDER / f"{picture.name}.png"
    page.screenshot(path=file, animations="disabled", caret="hide")
    context.close()
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{file} has {size:,} bytes, more than {MOST_BYTES:,}: show less of the page")
    sys.stdout.write(f"{file.name}: {size:,} bytes\n")


if __name__ == "__main__":
    make_pictures()
