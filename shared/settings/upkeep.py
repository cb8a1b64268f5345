"""Settings: what is kept and for how long, and what is computed ahead."""

from pydantic import Field
from pydantic_settings import BaseSettings

from shared.settings.forms import POLICIES
from shared.settings.names import MAX_DAYS, MAX_S


class UpkeepSettings(BaseSettings):
    """What is kept and for how long, and what is computed ahead."""

    report_ttl_s: float = Field(
        default=7 * 86_400.0,
        gt=0,
        le=MAX_S,
        description="Seconds after a report's end until its files are removed.",
    )
    janitor_s: float = Field(
        default=3600.0,
        gt=0,
        le=MAX_S,
        description="Seconds between two rounds of the janitor, which deletes old data and objects that no row points to.",
    )
    polls_keep_days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        description="Days after its end until a week of polls is deleted. 0: never.",
    )
    seal_after_days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        description="Days after its end until a week of polls moves from Postgres to the bucket as Parquet, once a day. 0: never. Turn it on when every service runs this release.",
    )
    facts_policies: str = Field(
        default="",
        pattern=POLICIES,
        description="Policies whose daily facts the scheduler has computed each night after 03:00 UTC, as `classic,hold`. Default: none.",
    )
    facts_export: bool = Field(
        default=False,
        description="Whether the scheduler has months of daily facts written to the bucket as Parquet each night, once the facts of the night are computed.",
    )
    insights: bool = Field(
        default=False,
        description="Whether the scheduler has insights concluded from the last eight weeks once a day, after 13:00 UTC. Turn it on when every service runs this release.",
    )
    now_every_s: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="Seconds between two refreshes of the live state of all stores. New data brings the next one forward. 0: no live state. The scheduler decides.",
    )
    reports_keep_days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        description="Days after its files have expired until an ended report is deleted. 0: never.",
    )
    rejects_keep_days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        description="Days after an import's end until its rejected rows are deleted. 0: never.",
    )
    imports_keep_days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        description="Days after its end until an import is deleted, with its rejected rows. 0: never.",
    )
