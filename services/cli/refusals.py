"""Say a refusal of the API in the words of the command line: `--as-of` instead of `body.as_of`."""

import re
from collections.abc import Mapping

# Where a field is called otherwise than its option. The longest name that fits is used.
_OPTIONS: Mapping[str, str] = {
    "begin": "--from",
    "created_after": "--since",
    "deliver.s3_prefix": "--s3-prefix",
    "deliver.webhook_url": "--webhook-url",
    "endpoint_id": "--endpoint",
    "events": "--event",
    "formats": "--format",
    "labels": "NAME=VALUE",
    "name": "NAME",
    "report_id": "--report",
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
_ITEM = re.compile(r"\.\d+(?=\.|$)")


def in_options(detail: str) -> str:
    """Return an error's detail with each field of the request replaced by its option or argument."""
    return _BARE.sub(_name_option, _PLACES.sub(_name_option, detail))


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
