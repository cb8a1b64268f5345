"""A connection to one SFTP server, for code that is not asynchronous. It is opened on use, and again after it was lost."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any, Final, TypeVar

import asyncssh

from services.ingest.sources.sftp_address import SftpAddress
from services.ingest.sources.source import BLOCK_BYTES
from shared.errors import BadInputFile, ConfigurationError, SftpUnavailable
from shared.settings import Settings

T = TypeVar("T")
Work = Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]]
_log = logging.getLogger("ingest")
_GONE: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_CONNECT_S: Final = 10
_LOGIN_S: Final = 20
_MORE_TRIES: Final = 7
_ALIVE_EVERY_S: Final = 15
_ANSWERED_WITHIN_S: Final = 60.0


class SftpConnection:
    """Runs work on the server's files. One thread at a time may use it."""

    def __init__(self, address: SftpAddress, settings: Settings) -> None:
        self._server = address.server
        self._address = address
        self._options = _make_options(address, settings)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None

    def run(self, work: Work[T]) -> T:
        """Run work, and return its result.

        Raise `SftpUnavailable`, `BadInputFile` (`io`) if the server refuses the login or the path, and `ConfigurationError`
        if it has another host key.
        """
        future = asyncio.run_coroutine_threadsafe(self._run(work), _loop())
        try:
            return future.result(_ANSWERED_WITHIN_S)
        except TimeoutError as error:
            future.cancel()
            self.drop()
            raise self._away() from error

    def ask(self, work: Work[T], name: str = "") -> T:
        """Run work. Raise as `run` does, and `BadInputFile` (`io`) with the name for what the server refuses."""
        try:
            return self.run(work)
        except asyncssh.SFTPError as error:
            what = "it is not there" if isinstance(error, _GONE) else f"the server says: {error.reason}"
            raise BadInputFile("io", f"{name}: {what}" if name else f"cannot read it: {what}") from error

    @contextmanager
    def opened(self, path: str) -> Iterator["OpenSftpFile"]:
        """Open a file to read it while the block runs. Raise as `ask` does."""
        file = self.ask(partial(_open, path))
        try:
            yield OpenSftpFile(self, file)
        finally:
            # If the connection is gone, so is the file.
            if self._connection is not None:
                asyncio.run_coroutine_threadsafe(_close(file), _loop())

    def drop(self) -> None:
        """Close the connection. The next work opens another."""
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:
            _loop().call_soon_threadsafe(connection.abort)

    async def _run(self, work: Work[T]) -> T:
        try:
            if self._sftp is None:
                self._sftp = await self._open()
            return await work(self._sftp)
        except asyncssh.HostKeyNotVerifiable as error:
            raise ConfigurationError(
                f"{self._server} has another host key than UPTILL_SFTP_HOST_KEY: someone may pose as the server, or it has a"
                " new key; ask its operator for the new key, and never take one from the network"
            ) from error
        except asyncssh.KeyExchangeFailed as error:
            # Only keys of the kinds that are trusted are asked for, so a key of another kind ends here.
            raise ConfigurationError(
                f"{self._server} and Uptill cannot agree on how to connect ({error.reason}): if this is about host keys, the"
                " server has no key of the kind in UPTILL_SFTP_HOST_KEY; ask its operator for its keys, and never take one"
                " from the network"
            ) from error
        except asyncssh.PermissionDenied as error:
            raise BadInputFile(
                "io",
                f"{self._server} refuses the login; check the user, UPTILL_SFTP_KEY and UPTILL_SFTP_PASSWORD",
            ) from error
        except (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost, asyncssh.DisconnectError) as error:
            self.drop()
            raise self._away() from error
        except asyncssh.SFTPError:
            raise
        except (OSError, asyncssh.Error) as error:
            self.drop()
            raise self._away() from error

    async def _open(self) -> asyncssh.SFTPClient:
        self._connection = await self._connect()
        try:
            # A name that is not UTF-8 then costs only itself, not the folder.
            return await self._connection.start_sftp_client(path_errors="surrogateescape")
        except BaseException:
            with suppress(Exception):
                self._connection.abort()
            self._connection = None
            raise

    async def _connect(self) -> asyncssh.SSHClientConnection:
        """Connect, again if the server hangs up: one that cannot agree on keys may do so before its offer is read."""
        connect = partial(
            asyncssh.connect,
            self._address.host,
            self._address.port,
            username=self._address.user,
            options=self._options,
        )
        for _ in range(_MORE_TRIES):
            with suppress(asyncssh.ConnectionLost):
                return await connect()
        return await connect()

    def _away(self) -> SftpUnavailable:
        return SftpUnavailable(f"{self._server} did not answer, or the connection was lost")


class OpenSftpFile:
    """An open file. Its methods raise as `SftpConnection.ask` does."""

    def __init__(self, connection: SftpConnection, file: asyncssh.SFTPClientFile) -> None:
        self._connection = connection
        self._file = file

    def read_version(self) -> tuple[int, int]:
        """Return its size in bytes and when it was modified, in seconds since 1970."""
        found = self._connection.ask(lambda _: self._file.stat())
        return found.size or 0, found.mtime or 0

    def read_block(self, position: int) -> bytes:
        """Return the bytes from this position on, at most a block; none behind the end."""
        block = self._connection.ask(lambda _: self._file.read(BLOCK_BYTES, position))
        return block if isinstance(block, bytes) else block.encode()


def _make_options(address: SftpAddress, settings: Settings) -> asyncssh.SSHClientConnectionOptions:
    """Return the options: exactly the keys of the settings, nothing of the files or agents of the user who runs this."""
    key, password = settings.sftp_key.get_secret_value(), settings.sftp_password.get_secret_value()
    if not key and not password:
        raise ConfigurationError(
            "neither UPTILL_SFTP_KEY nor UPTILL_SFTP_PASSWORD is set: set one of them, best as a file (…_FILE)"
        )
    if not settings.sftp_host_key.strip():
        raise ConfigurationError(
            f"UPTILL_SFTP_HOST_KEY is not set: ask the operator of {address.host} for its public host key, which"
            " `ssh-keyscan` shows too, and set it, best as a file (…_FILE)"
        )
    try:
        trusted = [
            asyncssh.import_public_key(line)
            for line in settings.sftp_host_key.splitlines()
            if line.strip() and not line.startswith("#")
        ]
    except asyncssh.KeyImportError as error:
        raise ConfigurationError(
            f"UPTILL_SFTP_HOST_KEY is not a public key: {error}; write it as ssh-ed25519 AAAA…, without the host name"
            " that ssh-keyscan prints before it"
        ) from None
    # The library asks for the name of the user who runs this. In a container there may be none, and nothing depends on it.
    os.environ.setdefault("LOGNAME", address.user)
    return asyncssh.SSHClientConnectionOptions(
        known_hosts=(trusted, [], []),
        client_keys=[_read_key(key, settings.sftp_key_passphrase.get_secret_value())] if key else None,
        password=password or None,
        agent_path=None,
        config=None,
        connect_timeout=_CONNECT_S,
        login_timeout=_LOGIN_S,
        keepalive_interval=_ALIVE_EVERY_S,
    )


def _read_key(text: str, passphrase: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text + "\n", passphrase or None)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ConfigurationError(
            f"UPTILL_SFTP_KEY cannot be read: {error}; give a private key, and UPTILL_SFTP_KEY_PASSPHRASE if it has one"
        ) from None


async def _open(path: str, sftp: asyncssh.SFTPClient) -> asyncssh.SFTPClientFile:
    return await sftp.open(path, "rb")


async def _close(file: asyncssh.SFTPClientFile) -> None:
    with suppress(OSError, ValueError, asyncssh.Error):
        await file.close()


def _note_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.debug("sftp: %s", context.get("exception") or context["message"])


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all connections, which runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    # Of several reads that a lost connection ends, the client takes back one; asyncio would print the others.
    loop.set_exception_handler(_note_error)
    threading.Thread(target=loop.run_forever, name="sftp", daemon=True).start()
    return loop
