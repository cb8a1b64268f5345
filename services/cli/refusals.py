"""Say a refusal of the API in the words of the command line: `--as-of` instead of `body.as_of`."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

# Where a field is called otherwise than its option. The longest name that fits is used.
_OPTIONS: Mapping[str, str] = {
    "begin": "--from",
    "created_after": "--since",
    "deliver.s3_prefix": "--s3-prefix",
    "deliver.webhook_url": "--webhook-url",
    "endpoint_id": "--endpoint",
    "events": "--event",
    "exclude_reasons": "--exclude-reason",
    "first_day": "--from",
    "formats": "--format",
    "labels": "NAME=VALUE",
    "last_day": "--to",
    "name": "NAME",
    "report_id": "--report",
    "secret": "--secret-file",
    "stores": "--store",
    "stores.ids": "--store",
    "stores.labels": "--label",
    "timezone": "--zone",
    "url": "URL",
    "windows": "--window",
}
_PLACES = re.compile(r"\b(?:body|query|path|header)\.((?:report\.)?[a-zA-Z_][\w.-]*\w)")
# A domain error names a field without its place.
_BARE = re.compile(r"\b(deliver\.s3_prefix|deliver\.webhook_url|webhook_url)\b")
# The API says this of an id that is not a UUID.
_NO_SUCH_ID = re.compile(r"nothing exists at /v1/([a-z-]+)/([^/:\s]+).*?: check the id in the path")
_OTHER_SERVICE = (
    "see /docs for all paths",
    "check that UPTILL_API_URL is the address of the API, and UPTILL_INGEST_URL that of the ingest service",
)
_LIST_CALL = re.compile(r"GET /v1/(channels|hooks|reasons|webhook-endpoints|webhook-deliveries) lists")
_LIST_COMMANDS = {
    "channels": "channels list",
    "hooks": "hooks list",
    "reasons": "reasons list",
    "webhook-endpoints": "webhooks list",
    "webhook-deliveries": "webhooks deliveries",
}
# What the API says of a channel's fields.
_CHANNEL_FIELD = re.compile(r"^(url is missing: a channel|to(?:\[\d+\])?(?= has | is | does ))")
_ITEM = re.compile(r"\.\d+(?=\.|$)")


def in_options(detail: str) -> str:
    """Return an error's detail with each field of the request replaced by its option or argument."""
    detail = _NO_SUCH_ID.sub(_name_resource, detail).replace(*_OTHER_SERVICE)
    detail = _LIST_CALL.sub(lambda found: f"`uptill {_LIST_COMMANDS[found[1]]}` lists", detail)
    detail = _CHANNEL_FIELD.sub(
        lambda found: "--url-file is missing: a channel" if found[1].startswith("url") else "--to", detail
    )
    return _BARE.sub(_name_option, _PLACES.sub(_name_option, detail))


def _name_resource(found: re.Match[str]) -> str:
    kind = "facts job" if found[1] == "facts" else found[1].removesuffix("s").replace("-", " ")
    return f"{kind} {unquote(found[2])} does not exist"


def _name_option(found: re.Match[str]) -> str:
    field = _ITEM.sub("", found[1].removeprefix("report."))
    while field:
        if field in _OPTIONS:
            return _OPTIONS[field]
        shorter = field.rpartition(".")[0]
        if not shorter:
            return f"--{field.replace('_', '-')}"
        field = shorter
    return found[0]
