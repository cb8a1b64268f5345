"""Say a refusal of the API in the words of the command line: `--as-of` instead of `body.as_of`."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

# Where a field is called otherwise than its option. The longest name that fits is used.
_OPTIONS: Mapping[str, str] = {
    "begin": "--from",
    "caps": "--cap",
    "created_after": "--since",
    "dates": "DATE",
    "deliver.channels": "--channel",
    "deliver.s3_prefix": "--s3-prefix",
    "deliver.webhook_url": "--webhook-url",
    "delivery.channels": "--channel",
    "delivery.digest_minutes": "--digest",
    "delivery.escalate_after_minutes": "--escalate",
    "delivery.escalate_channel": "--escalate",
    "delivery.quiet_from": "--quiet",
    "delivery.quiet_until": "--quiet",
    "delivery.remind_minutes": "--remind",
    "delivery.weekdays": "--day",
    "delivery.zone": "--zone",
    "endpoint_id": "--endpoint",
    "ends_at": "--to",
    "events": "--event",
    "exclude_reasons": "--exclude-reason",
    "first_day": "--from",
    "first_month": "--from",
    "formats": "--format",
    "hold_open_minutes": "--hold-open",
    "labels": "NAME=VALUE",
    "last_day": "--to",
    "last_month": "--to",
    "name": "NAME",
    "overlap_s": "--overlap",
    "parameters": "--parameter",
    "report_id": "--report",
    "secret": "--secret-file",
    "starts_at": "--from",
    "store_id": "--store",
    "stores": "--store",
    "stores.ids": "--store",
    "stores.labels": "--label",
    "timezone": "--zone",
    "url": "URL",
    "windows": "--window",
}
# Of the document that a command sends as it is: these are its own words.
_OF_DOCUMENT = re.compile(r"(mapping|signature)\b")
_PLACES = re.compile(r"\b(?:body|query|path|header)\.((?:report\.)?[a-zA-Z_][\w.-]*\w)")
# A domain error names a field without its place.
_BARE = re.compile(r"\b(deliver\.s3_prefix|deliver\.webhook_url|webhook_url)\b")
# Where the API repeats the call that it answers.
_CALL = re.compile(r"^(?:DELETE|GET|PATCH|POST|PUT) /v1/\S+: ")
# The API says this of an id that is not a UUID.
_NO_SUCH_ID = re.compile(r"nothing exists at /v1/([a-z-]+)/([^/:\s]+).*?: check the id in the path")
_OTHER_SERVICE = (
    "see /docs for all paths",
    "check that UPTILL_API_URL is the address of the API, and UPTILL_INGEST_URL that of the ingest service",
)
_EMPTY_ID = re.compile(r"nothing exists at /v1/[a-z-]+/: .*")
_LIST_CALL = re.compile(
    r"GET /v1/(calendars|channels|hooks|reasons|webhook-endpoints|webhook-deliveries) lists"
)
_LIST_COMMANDS = {
    "calendars": "calendars list",
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
    detail = _EMPTY_ID.sub("the name or id is empty: give one", _CALL.sub("", detail))
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
    if found[0].startswith("path."):
        return "ID" if found[1].endswith("_id") else "WORD" if found[1] == "word" else "NAME"
    if _OF_DOCUMENT.match(found[1]):
        return found[1]
    field = _ITEM.sub("", found[1].removeprefix("report."))
    while field:
        if field in _OPTIONS:
            return _OPTIONS[field]
        shorter = field.rpartition(".")[0]
        if not shorter:
            return f"--{field.replace('_', '-')}"
        field = shorter
    return found[0]
