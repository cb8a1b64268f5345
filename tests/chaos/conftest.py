"""The long forms of these tests, marked `chaos`, run only when asked for: `pytest -m chaos`."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chaos: the long form of a test with faults")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.markexpr:
        long_forms = [item for item in items if item.get_closest_marker("chaos")]
        config.hook.pytest_deselected(items=long_forms)
        items[:] = [item for item in items if item not in long_forms]
