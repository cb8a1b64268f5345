"""SeaweedFS stores the pieces of a large object as they are: it would compress text, and unpack it for each reader."""

from pathlib import Path

from services.local.ports import free_ports
from services.local.processes import ProcessSet
from services.local.seaweedfs import PORT_NAMES, SeaweedFS
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.local_stack import eventually

_MIB = 1 << 20
_BUCKET = "pieces"


def test_pieces_of_text_are_not_compressed(tmp_path: Path) -> None:
    ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    store = SeaweedFS(tmp_path, ports, "access", "secret-of-a-test", durable=False)
    with ProcessSet(tmp_path / "logs") as processes:
        child = store.start(processes)
        eventually(lambda: child.has_ended() or store.is_ready())
        settings = Settings(
            s3_endpoint=store.endpoint,
            s3_access_key="access",
            s3_secret_key="secret-of-a-test",
            s3_bucket=_BUCKET,
        )
        storage = make_storage(settings)
        storage.ensure_bucket()
        blocks = [b"the same line again and again\n" * 10_000] * 60
        stored = storage.put_stream("pieces.csv", blocks, "binary/octet-stream")
        assert b"".join(storage.read(stored)) == b"".join(blocks)
        assert stored.size_bytes > 16 * _MIB
        written = sum(file.stat().st_size for file in tmp_path.rglob("*.dat"))
        assert written >= stored.size_bytes
