"""`python -m shared.bucket`: make the reports' bucket unless it is there. Run once, before the services start."""

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.settings import Settings, load_settings
from shared.telemetry import configure_logging

_NOT_FOUND = 404
_OURS_ALREADY = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def ensure_bucket(settings: Settings) -> bool:
    """Make the bucket if it is missing; returns whether it was. Raises botocore's `BotoCoreError` or `ClientError`."""
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint or None,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key or None,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value() or None,
        config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 5}),
    )
    try:
        client.head_bucket(Bucket=settings.s3_bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != _NOT_FOUND:
            raise
    else:
        return False
    try:
        client.create_bucket(Bucket=settings.s3_bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _OURS_ALREADY:
            raise
        return False  # another was faster
    finally:
        client.close()
    return True


def main() -> None:
    """Entry point; ends with status 1 and a logged reason when there is no bucket to use."""
    log = structlog.get_logger()
    settings = load_settings().require("s3_bucket")
    configure_logging("bucket", settings.log_level)
    try:
        made = ensure_bucket(settings)
    except (BotoCoreError, ClientError) as error:
        log.error("bucket_failed", error=str(error))  # noqa: TRY400  the text says it; a trace adds nothing
        raise SystemExit(1) from None
    log.info("bucket_ready", bucket=settings.s3_bucket, made=made)


if __name__ == "__main__":
    main()
