"""Who signed in, as the provider says."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """The issuer's id of the person, a name to show, and the groups."""

    subject: str
    name: str
    groups: Collection[str]
