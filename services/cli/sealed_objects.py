"""The check of `uptill doctor --reconcile` on sealed weeks of polls, whose only copy is in the bucket."""

from collections.abc import Sequence

from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import ObjectLost
from shared.settings import Settings
from shared.storage import Storage, StoredObject, make_storage

_SQL = queries("sealed")


def check_sealed(settings: Settings, *, deep: bool) -> tuple[str, str, Sequence[str]]:
    """Look for the object of each sealed week; if `deep`, read it. Raises `StorageUnavailable`."""
    with connect(settings.database_url.get_secret_value(), application_name="uptill-doctor") as conn:
        objects = [StoredObject(*row) for row in conn.execute(_SQL["sealed_objects"])]
    storage = make_storage(settings)
    damages = [text for each in objects if (text := _find_damage(storage, each, deep=deep))]
    advice = "restore the objects listed below from a copy of the bucket" if damages else ""
    return f"{len(objects)} in the bucket, {len(damages)} damaged", advice, damages


def _find_damage(storage: Storage, each: StoredObject, *, deep: bool) -> str:
    if not deep:
        return (
            ""
            if storage.holds(each)
            else f"{each.key} is missing, or does not have {each.size_bytes:,} bytes"
        )
    try:
        storage.verify(each)
    except ObjectLost as error:
        return str(error)
    return ""
