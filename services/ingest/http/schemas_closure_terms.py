"""The terms of a closure in requests and answers: treatments, and texts for the API reference."""

from typing import Literal

Treatment = Literal["exclude", "as_up", "ignore"]
TREATMENT_HELP = "`exclude`: the time is left out of the open time. `as_up`: it counts as up. `ignore`: the closure is only a note."
REASON_HELP = "`planned_maintenance`, `holiday`, `force_majeure`, `platform`, `other`, or a word of your own."
INSTANT_HELP = "an instant with a UTC offset, such as `2024-10-14T18:00:00Z`"
