"""Calls for pictures of a store, as SVG."""

from datetime import date
from typing import Any

from uptill_client.paths import encode_segment
from uptill_client.transport import Transport


class PictureCalls:
    """Calls for pictures. Each call raises `ApiError` on failure."""

    _api: Transport

    def week_svg(
        self, store_id: str, *, week: date | None = None, policy: str | None = None, colours: str = "light"
    ) -> bytes:
        """Draw the week of a store that holds a local date. Default: the week of the newest poll of any store."""
        return self._draw(store_id, "timeline", week=week and str(week), policy=policy, colours=colours)

    def badge_svg(
        self, store_id: str, *, window: str = "last_week", policy: str | None = None, colours: str = "light"
    ) -> bytes:
        """Draw the uptime of a store in a window, such as "last_day" or "PT6H", as a badge."""
        return self._draw(store_id, "badge", window=window, policy=policy, colours=colours)

    def _draw(self, store_id: str, name: str, **query: Any) -> bytes:
        given = {key: value for key, value in query.items() if value is not None}
        with self._api.stream(f"/v1/stores/{encode_segment(store_id)}/{name}.svg", params=given) as blocks:
            return b"".join(blocks)
