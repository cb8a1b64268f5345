"""Fields for a schedule's name, cron expression and time zone."""

from pydantic import Field

Name = Field(
    min_length=1,
    max_length=100,
    pattern=r"^[^\x00]*$",
    description="A name for people; it also appears in the names of delivered files.",
)
Cron = Field(
    max_length=100,
    description="Minute, hour, day of month, month and weekday (0 or 7 is Sunday), in the local time of `timezone`.",
    examples=["0 6 * * 1-5"],
)
Zone = Field(max_length=64, description="An IANA time zone name.", examples=["America/Chicago"])
