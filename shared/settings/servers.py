"""Settings: where the servers are, and how to sign in to them."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class ServerSettings(BaseSettings):
    """Where the servers are, and how to sign in to them."""

    database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres, as `postgresql://user:password@host:5432/database`."
    )
    api_database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Postgres login of the API, as a URL. `uptill migrate` creates it. Give it to the API as `UPTILL_DATABASE_URL`.",
    )
    ingest_database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres login of the ingest service and `uptill ingest`."
    )
    worker_database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres login of workers and schedulers."
    )
    readonly_database_url: SecretStr = Field(
        default=SecretStr(""), description="Postgres login of an autoscaler or a dashboard, which only read."
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""), description="Redis or Valkey, as `redis://:password@host:6379/0`."
    )
    s3_endpoint: str = Field(default="", description="S3 endpoint for the services, as `http://s3:8333`.")
    s3_public_endpoint: str = Field(
        default="",
        description="S3 endpoint for clients, used only in download links. Default: `UPTILL_S3_ENDPOINT`.",
    )
    s3_bucket: str = Field(default="uptill", description="Bucket for the reports. It must be private.")
    s3_region: str = Field(default="us-east-1", description="Region used for signing.")
    s3_access_key: str = Field(
        default="", description="S3 access key. Default: the credentials that boto3 finds."
    )
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="S3 secret key.")
    api_url: str = Field(
        default="http://127.0.0.1:8000", description="URL of the API for the `uptill` command."
    )
    ingest_url: str = Field(
        default="http://127.0.0.1:8001",
        description="URL of the ingest service for clients, and for the API, whose page passes uploads and closures on.",
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="API key that the `uptill` command sends.")
