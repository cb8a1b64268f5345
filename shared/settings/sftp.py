"""Settings: folders on SFTP servers."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class SftpSettings(BaseSettings):
    """Folders on SFTP servers."""

    sftp_host_key: str = Field(
        default="",
        description="Public host keys of the SFTP server, one a line, as `ssh-ed25519 AAAA…`. A server with another key is refused. Give it as `UPTILL_SFTP_HOST_KEY_FILE`.",
    )
    sftp_key: SecretStr = Field(
        default=SecretStr(""),
        description="Private key for the login at the SFTP server, in the format of OpenSSH or as PEM. Give it as `UPTILL_SFTP_KEY_FILE`.",
    )
    sftp_key_passphrase: SecretStr = Field(
        default=SecretStr(""), description="Passphrase of `UPTILL_SFTP_KEY`."
    )
    sftp_password: SecretStr = Field(
        default=SecretStr(""), description="Password for the login at the SFTP server, instead of a key."
    )
    sftp_archive: str = Field(
        default="",
        description="Folder on the SFTP server to which watched files are moved once they are loaded, relative to the watched one or absolute. Default: they are left where they are.",
    )
    sftp_check_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="Seconds between two looks at a watched SFTP folder. A file that does not change in between is complete.",
    )
