"""The warnings of a file: a sentence for each of the first stores, and how many more there are."""

import pytest

from services.ingest.quality_warnings import list_warnings


@pytest.mark.parametrize(
    ("stores", "last"), [(21, "1 more store keeps what it had"), (22, "2 more stores keep what they had")]
)
def test_one_store_is_not_several(stores: int, last: str) -> None:
    listed = [{"store_id": f"{number}", "line": number, "reason": "time"} for number in range(stores)]
    warnings = list(list_warnings({"stores_unchanged": stores, "stores_unchanged_list": listed}))
    assert warnings[-1] == last
