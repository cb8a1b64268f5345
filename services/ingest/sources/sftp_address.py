"""Addresses of files and folders on an SFTP server: `sftp://user@host:22/folder`."""

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from shared.errors import BadInputFile

SFTP_SCHEME: Final = "sftp://"
_PORT: Final = 22
_HOME: Final = "/~"
_NOT_UTF_8: Final = re.compile("[\udc80-\udcff]")  # bytes of a name, by `surrogateescape`


@dataclass(frozen=True)
class SftpAddress:
    """A path on a server. It is absolute, or relative to the home of the login if the address has `/~/` before it."""

    user: str
    host: str
    port: int
    path: str

    @property
    def server(self) -> str:
        """The address without its path."""
        port = "" if self.port == _PORT else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SFTP_SCHEME}{self.user}@{host}{port}"

    def name(self, path: str) -> str:
        """Return the address of another path of the same server, which `parse_sftp_address` reads again."""
        # Only % has a meaning. Other characters stay, so that names can be read.
        readable = _NOT_UTF_8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", path.replace("%", "%25"))
        return f"{self.server}{'' if path.startswith('/') else f'{_HOME}/'}{readable}"


def parse_sftp_address(text: str) -> SftpAddress:
    """Parse an address. Raise `BadInputFile` (`io`) if it is not valid, or has a password."""
    # Not the whole text: the path of a file may have ?, # or a newline.
    login, slash, given_path = text.removeprefix(SFTP_SCHEME).partition("/")
    parts = urlsplit(f"{SFTP_SCHEME}{login}")
    try:
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        raise BadInputFile("io", f"{text} has an invalid port; write sftp://user@host:22/folder") from None
    if parts.password is not None:
        raise BadInputFile(
            "io",
            f"the address of {host} contains a password; put it into a file, and set UPTILL_SFTP_PASSWORD_FILE",
        )
    if not host or not parts.username:
        raise BadInputFile("io", f"{text} lacks the user or the host; write sftp://user@host/folder")
    path = posixpath.normpath(slash + unquote(given_path, errors="surrogateescape") or "/").replace(
        "//", "/", 1
    )
    if path == _HOME or path.startswith(f"{_HOME}/"):
        path = path.removeprefix(_HOME).lstrip("/") or "."
    return SftpAddress(unquote(parts.username), host, port, path)
