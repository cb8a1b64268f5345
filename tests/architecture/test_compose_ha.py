"""`deploy/compose/ha.yml`: further nodes are like the first, and every service knows all of them."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OVERRIDE = yaml.safe_load((ROOT / "deploy/compose/ha.yml").read_text())
NODES = OVERRIDE["services"]
CONFINED = (
    *("read_only", "cap_drop", "security_opt", "pids_limit", "user", "mem_limit", "shm_size", "tmpfs"),
    *("restart", "stop_grace_period", "healthcheck", "command", "stop_signal"),
)


@pytest.mark.parametrize("name", ["postgres-2", "postgres-3"])
def test_a_further_node_is_like_the_first(name: str) -> None:
    first = {**STACK["postgres"], **NODES["postgres"]}
    assert {key: NODES[name][key] for key in CONFINED} == {key: first[key] for key in CONFINED}


def test_etcd_is_confined_and_only_nodes_reach_it() -> None:
    etcd = NODES["etcd"]
    assert (etcd["read_only"], etcd["cap_drop"]) == (True, ["ALL"])
    assert OVERRIDE["networks"] == {"cluster": {"internal": True}}
    members = {name for name, service in NODES.items() if "cluster" in service.get("networks", ())}
    assert members == {"etcd", "postgres", "postgres-2", "postgres-3"}
    assert etcd["networks"] == ["cluster"]


def test_every_service_knows_every_node(tmp_path: Path) -> None:
    hosts = NODES["secrets"]["environment"]["POSTGRES_HOSTS"]
    assert set(hosts.split(",")) == {f"{name}:5432" for name in NODES if name.startswith("postgres")}
    command = [ROOT / "deploy/compose/secrets.sh", tmp_path]
    subprocess.run(command, env={**os.environ, "POSTGRES_HOSTS": hosts}, check=True, capture_output=True)
    addresses = list(tmp_path.glob("*database_url"))
    assert len(addresses) == 5
    assert [path.name for path in addresses if f"@{hosts}/uptill" not in path.read_text()] == []


def test_no_node_acknowledges_a_commit_alone() -> None:
    settings = yaml.safe_load((ROOT / "deploy/docker/patroni.yml").read_text())["bootstrap"]["dcs"]
    assert settings["synchronous_mode"] == "quorum"
    assert settings["synchronous_mode_strict"] is True
    assert settings["loop_wait"] + 2 * settings["retry_timeout"] <= settings["ttl"]
