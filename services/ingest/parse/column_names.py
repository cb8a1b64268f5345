"""The names that columns may have in a header. The docs list them."""

from typing import Final

# Accepted spellings, folded: case, spaces, underscores and hyphens are ignored.
SPELLINGS: Final = {
    "storeid": "store_id",
    "status": "status",
    "timestamputc": "timestamp_utc",
    "dayofweek": "day_of_week",
    "day": "day_of_week",
    "starttimelocal": "start_time_local",
    "endtimelocal": "end_time_local",
    "timezonestr": "timezone_str",
    "timezone": "timezone_str",
    "effectivefrom": "effective_from",
    "date": "date",
    "openedat": "opened_at",
    "closedat": "closed_at",
    "startsat": "starts_at",
    "endsat": "ends_at",
    "treatment": "treatment",
    "reason": "reason",
    "note": "note",
    "name": "name",
    "event": "event",
    "until": "until",
}
# Spellings that count only where the header does not fit a kind without them: they may also name other things.
LOOSE_SPELLINGS: Final = {
    "store": "store_id",
    "timestamp": "timestamp_utc",
    "observedat": "timestamp_utc",
    "weekday": "day_of_week",
    "dow": "day_of_week",
    "starttime": "start_time_local",
    "opentime": "start_time_local",
    "openingtime": "start_time_local",
    "opens": "start_time_local",
    "open": "start_time_local",
    "start": "start_time_local",
    "endtime": "end_time_local",
    "closetime": "end_time_local",
    "closingtime": "end_time_local",
    "closes": "end_time_local",
    "close": "end_time_local",
    "end": "end_time_local",
    "tz": "timezone_str",
    "timezonename": "timezone_str",
    "storename": "name",
    "displayname": "name",
}
# Beside a name, an id is the store's. Elsewhere it may be that of a row.
DIRECTORY_SPELLINGS: Final = {"id": "store_id"}


def fold_name(field: str) -> str:
    """Return a column's name without case, spaces, underscores and hyphens."""
    return field.casefold().replace(" ", "").replace("_", "").replace("-", "")
