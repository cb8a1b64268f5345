"""Running a program that refuses root when we are root: as `nobody`, or as the owner of the data it works on."""

import os
import pwd
import shutil
from pathlib import Path

from services.local.errors import LocalStackError

_USER = "nobody"
_CAPABILITIES = "-all,+dac_override"


def command_prefix(uid: int) -> list[str]:
    """What to put before a command so that it runs as `uid`; nothing when we are not root.

    Folders of root are closed to others (`/root`, our data folder). Instead of opening them, the process keeps the one
    capability that lets it pass; as root it would have had all of them. `access(2)`, by which initdb checks its own
    programs, ignores that capability unless `no_setuid_fixup` is set.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LocalStackError(
            "Postgres refuses to run as root, and setpriv (package util-linux), which would run it as another user, "
            "is not installed. Install it, or run this command as an ordinary user."
        )
    group = pwd.getpwuid(uid).pw_gid
    return [
        setpriv,
        f"--reuid={uid}",
        f"--regid={group}",
        "--clear-groups",
        "--no-new-privs",
        "--securebits=+no_setuid_fixup",
        f"--inh-caps={_CAPABILITIES}",
        f"--ambient-caps={_CAPABILITIES}",
        "--",
    ]


def owner_for(data: Path) -> int:
    """The user id that `data` belongs to or, when it is new or root's, shall belong to."""
    own = os.geteuid()
    if own != 0:
        return own
    return (data.stat().st_uid if data.exists() else 0) or pwd.getpwnam(_USER).pw_uid
