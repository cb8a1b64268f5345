"""How the sender of an upload says that values are to be read: by parameters, or by parts of a form."""

from collections.abc import Mapping

from services.ingest.parse.reading import Reading
from shared.errors import InvalidRequest

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def parse_reading(
    given: Mapping[str, str | bool],
    default_words: str,
    form: Mapping[str, str] | None = None,
    *,
    place: str = "",
) -> Reading:
    """Return how values are to be read. `default_words` maps statuses if the sender gave no mapping.

    Raise `InvalidRequest` for what is not valid, and for what is given twice. `place` goes before the name of the field.
    """
    if doubled := sorted(given.keys() & (form or {}).keys()):
        raise InvalidRequest(
            f"{doubled[0]} is given both as a parameter and in the form: send it once", field=doubled[0]
        )
    options = {**given, **(form or {})}
    assume_utc = options.get("assume_utc", False)
    if isinstance(assume_utc, str):
        if assume_utc.strip().lower() not in _BOOLEANS:
            raise InvalidRequest(f"invalid value {assume_utc!r}: send true or false", field="assume_utc")
        assume_utc = _BOOLEANS[assume_utc.strip().lower()]
    texts = {name: str(options.get(name, "")) for name in ("date_format", "effective_from")}
    try:
        return Reading.parse(str(options.get("status", default_words)), **texts, assume_utc=assume_utc)
    except InvalidRequest as error:
        raise InvalidRequest(str(error), field=".".join(filter(None, (place, error.field)))) from None
