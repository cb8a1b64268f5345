"""The parameter by which a caller asks what a change would do, without making it."""

from typing import Annotated

from fastapi import Query

DryRun = Annotated[
    bool, Query(description="Answer what the call would change, with its warnings, and change nothing.")
]
