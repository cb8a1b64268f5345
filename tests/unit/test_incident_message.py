"""Messages about incidents name stores by their names and ids."""

from dataclasses import replace
from uuid import UUID

from services.scheduler.channels.content import Letterhead, ToldEvents, compose_content
from services.scheduler.incidents.message import ToldIncident, ToldStore, make_notice
from services.scheduler.incidents.read import StoredRule
from shared.channels.notice import Notice
from shared.incidents.delivery import Delivery
from shared.incidents.machine import OpenIncident
from shared.incidents.terms import RuleKind, RuleTerms

STORES = {1: ToldStore("0042", "UTC", "Main Street 12"), 2: ToldStore("0043", "UTC")}
RULE = StoredRule(
    "down", RuleTerms(RuleKind.STORE_DOWN, {}, {"inactive_polls": 2}, 0), Delivery.from_json({})
)
OPEN = OpenIncident(
    rule="down",
    subject="0042",
    store_key=1,
    opened_us=0,
    proved_us=0,
    run_us=0,
    earliest_us=0,
    latest_us=1,
    id=UUID(int=1),
)


def told(*incidents: OpenIncident) -> tuple[Notice, str]:
    """Return the notice as it is stored, and the text of its stores and its heading."""
    made = make_notice("incident.opened", RULE, [ToldIncident(each, {}) for each in incidents], STORES)
    notice = Notice.from_json(made.to_json())
    content = compose_content(
        ToldEvents("down", [notice], {"incident.opened": 1}), Letterhead("ops", "m", "https://uptill.example")
    )
    (entry,) = content.entries
    return notice, f"{entry.heading} | {dict(entry.facts)['Stores']}"


def test_one_store() -> None:
    notice, text = told(OPEN)
    assert (notice.where, notice.members) == ("Main Street 12 (0042)", ("0042",))
    assert notice.link == f"/incidents/{OPEN.id}"
    assert text == "Opened: store is down (Main Street 12 (0042)) | 1: Main Street 12 (0042)"


def test_several_stores_with_and_without_a_name() -> None:
    notice, text = told(OPEN, replace(OPEN, subject="0043", store_key=2))
    assert (notice.members, notice.member_names) == (("0042", "0043"), ("Main Street 12", None))
    assert text.endswith("| 2: Main Street 12 (0042), 0043")


def test_a_notice_of_the_release_before_has_ids() -> None:
    notice, _ = told(OPEN)
    stored = {name: value for name, value in notice.to_json().items() if name != "member_names"}
    assert Notice.from_json(stored).member_names == ()
