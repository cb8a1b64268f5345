"""After SIGKILL of the stack, no process is left, no acknowledged write is lost, and the next start works."""

import os
import signal
import subprocess
from pathlib import Path

import psycopg
import redis

from services.local.ports import free_ports
from services.local.servers import Endpoints
from services.local.unprivileged import command_prefix
from tests.fixtures.buckets import s3_client
from tests.fixtures.local_stack import LocalStack, all_gone, eventually, started


def endpoints(stack: LocalStack) -> Endpoints:
    """The servers of a stack, as its settings name them."""
    settings = stack.settings
    return Endpoints(
        settings["UPTILL_DATABASE_URL"],
        settings["UPTILL_REDIS_URL"],
        settings["UPTILL_S3_ENDPOINT"],
        settings["UPTILL_S3_ACCESS_KEY"],
        settings["UPTILL_S3_SECRET_KEY"],
    )


def write(servers: Endpoints) -> None:
    """Put something into each server, and return once it must survive a kill."""
    with psycopg.connect(servers.database_url) as conn:
        conn.execute("create table kept as select 'row' as what")
    with redis.Redis.from_url(servers.redis_url) as client:
        client.set("kept", "value")
        client.waitaof(1, 0, 10_000)
    s3 = s3_client(servers)
    s3.put_object(Bucket="uptill", Key="kept", Body=b"object")
    s3.close()


def read(servers: Endpoints) -> tuple[object, object, object]:
    """What `write` put there."""
    with psycopg.connect(servers.database_url) as conn:
        row = conn.execute("select what from kept").fetchone()
    with redis.Redis.from_url(servers.redis_url) as client:
        value = client.get("kept")
    s3 = s3_client(servers)
    body = s3.get_object(Bucket="uptill", Key="kept")["Body"].read()
    s3.close()
    return row, value, body


def test_after_a_kill_the_next_start_has_everything(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with started(tmp_path / "data", port) as first:
        everything = first.await_ready().everything()
        settings = first.settings
        write(endpoints(first))
        first.end(signal.SIGKILL)
    with started(tmp_path / "data", port) as second:  # at once: the keeper is still busy
        second.await_ready()
        assert all_gone(everything)
        assert second.settings == settings
        assert read(endpoints(second)) == (("row",), b"value", b"object")


def test_after_a_kill_nothing_is_left_running(tmp_path: Path) -> None:
    with started(tmp_path / "data") as stack:
        everything = stack.await_ready().everything()
        stack.end(signal.SIGKILL)
        eventually(lambda: all_gone(everything))
        assert not (tmp_path / "data" / "ready").exists()


def test_the_next_start_ends_what_outlived_the_stack_and_its_keeper(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with started(tmp_path / "data", port) as first:
        everything = first.await_ready().everything()
        write(endpoints(first))
        first.named("services.local.keeper").kill()
        first.end(signal.SIGKILL)
    strays = [process for process in everything if process.is_running()]
    assert not all_gone(strays)
    with started(tmp_path / "data", port) as second:
        second.await_ready()
        assert all_gone(everything)
        assert read(endpoints(second)) == (("row",), b"value", b"object")


def test_a_stale_postmaster_file_of_another_program_does_not_prevent_a_start(tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "postgres"
    pid_file = cluster / "postmaster.pid"
    with started(tmp_path / "data") as first:
        first.await_ready()
        lines = pid_file.read_text().splitlines(keepends=True)
        first.end(signal.SIGTERM)
    owner = cluster.stat()
    as_owner = command_prefix(owner.st_uid)
    with subprocess.Popen([*as_owner, "sleep", "600"]) as other_program:
        pid_file.write_text("".join([f"{other_program.pid}\n", *lines[1:]]))
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        try:
            with started(tmp_path / "data") as second:
                second.await_ready()
        finally:
            other_program.kill()
