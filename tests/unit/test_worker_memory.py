"""How much a worker remembers: a share of its container's memory limit."""

from pathlib import Path

import pytest

from services.worker.memory import cache_bytes, find_memory_limit

GIB = 1 << 30
UNLIMITED_V1 = "9223372036854771712"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        pytest.param("0::/", {"memory.max": str(GIB)}, GIB, id="a container, version 2"),
        pytest.param("0::/", {"memory.max": "max"}, None, id="no limit, version 2"),
        pytest.param(
            "0::/a/b", {"a/b/memory.max": str(GIB // 2), "memory.max": "max"}, GIB // 2, id="its own group"
        ),
        pytest.param(
            "4:memory:/docker/x", {"memory/memory.limit_in_bytes": str(GIB)}, GIB, id="a container, version 1"
        ),
        pytest.param(
            "4:cpu,memory:/x",
            {"memory/x/memory.limit_in_bytes": str(GIB // 4), "memory/memory.limit_in_bytes": UNLIMITED_V1},
            GIB // 4,
            id="its own group, version 1",
        ),
        pytest.param(
            "4:memory:/", {"memory/memory.limit_in_bytes": UNLIMITED_V1}, None, id="no limit, version 1"
        ),
        pytest.param("", {}, None, id="no control groups"),
    ],
)
def test_the_limit_is_that_of_the_control_group(
    tmp_path: Path, own: str, files: dict[str, str], limit: int | None
) -> None:
    write(tmp_path, {"self": own, **{f"groups/{name}": text for name, text in files.items()}})
    assert find_memory_limit(tmp_path / "groups", tmp_path / "self") == limit


def test_a_number_is_in_megabytes() -> None:
    assert cache_bytes("0") == 0
    assert cache_bytes("400") == 400 << 20
