"""Which pictures there are, and what a person would have clicked before each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from playwright.sync_api import Page

MOST_BYTES: Final = 150_000
# A store of the sample, which has the same data each time.
_STORE: Final = "2b69e501-d5ec-4e6b-9ed7-27a35329fa7a"
_PLACE: Final = f"store_id={_STORE}&week=2024-10-07"
_POLLS: Final = "".join(f"{_STORE},active,2024-10-14 {hour:02}:20:00 UTC\n" for hour in range(20))
BAD_FILE: Final = (
    "store_id,status,timestamp_utc\n"
    + _POLLS
    + f"{_STORE},asleep,2024-10-14 20:20:00 UTC\n"
    + f"{_STORE},active,14.10.2024 21:20\n"
    + f"{_STORE},asleep,2024-10-14 22:20:00 UTC\n"
)


@dataclass(frozen=True)
class Picture:
    """One picture: what is opened, and what is done before it is taken."""

    name: str
    path: str
    prepare: Callable[[Page], object]
    width: int = 1100
    height: int = 800
    colours: Literal["light", "dark"] = "light"
    is_live: bool = False


def _choose_outage(page: Page) -> None:
    page.locator("svg a[aria-label^=down]").first.click()
    page.wait_for_selector("#ledger .why.down")


def _see_effect(page: Page) -> None:
    page.get_by_label("Reason").fill("force_majeure")
    page.get_by_role("button", name="See the effect").click()
    page.wait_for_selector("#effect-title")


def _open_rejects(page: Page) -> None:
    page.get_by_role("link", name="polls.csv").first.click()
    page.wait_for_selector("#rejects-title")


def _open_incident(page: Page) -> None:
    page.locator(".incidents tbody a").first.click()
    page.wait_for_selector("#life-title")


PICTURES: Final = (
    Picture("now", "/", lambda _: None, height=620, is_live=True),
    Picture("insights", "/insights", lambda _: None, height=660, is_live=True),
    Picture("incidents", "/incidents", lambda _: None, height=560, is_live=True),
    Picture("incident", "/incidents?kind=store_down", _open_incident, height=760, is_live=True),
    Picture("outages", "/outages?part=evening", lambda _: None, height=600),
    Picture("fleet", "/fleet", lambda _: None, height=660),
    Picture("fleet-dark", "/fleet", lambda _: None, height=660, colours="dark"),
    Picture("store", f"/stores/{_STORE}?week=2024-10-07", _choose_outage, height=760),
    Picture(
        "closure",
        f"/closures/new?{_PLACE}&begin=1728410400000000&end=1728428400000000",
        _see_effect,
        height=640,
    ),
    Picture("import", "/imports", _open_rejects, height=640),
)
