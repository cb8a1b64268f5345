"""deploy/k8s: rules that the schema does not check. If `kubectl` is installed, the overlays are rendered too."""

import ipaddress
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from kubernetes_validate.utils import validate
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.http.hosts import AllowedHosts, allowed_hosts
from shared.settings import PREFIX, Settings
from shared.webhooks.address import is_public
from tests.architecture.test_compose import MAKE_SECRETS, SERVICES, secrets_volume

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy/k8s"
FOLDERS = [K8S / "base", K8S / "overlays/local", K8S / "overlays/production"]
VERSION = "1.34"
PROCESSES = {"api", "ingest", "consumer", "worker", "scheduler"}
LOGINS = [f"{role}_database_url" for role in ("api", "ingest", "worker", "readonly")]
SECRETS = ["database_url", "redis_url", "s3_access_key", "s3_secret_key"]
KEDA = "keda.sh/v1alpha1"


def kustomization(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return loaded


def patches(folder: Path) -> list[dict[str, Any]]:
    """Those that stand in a file of their own."""
    return [patch for patch in kustomization(folder).get("patches", []) if "path" in patch]


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@cache
def resources(folder: Path) -> list[dict[str, Any]]:
    """What a folder adds, in the order of its kustomization; patches not among it."""
    return [
        document
        for name in kustomization(folder)["resources"]
        if not name.startswith("..")
        for document in documents(folder / name)
    ]


ALL = [resource for folder in FOLDERS for resource in resources(folder)]
PODS = {
    f"{resource['kind']}/{resource['metadata']['name']}": resource["spec"]["template"]
    for resource in ALL
    if "template" in resource.get("spec", {})
}
each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=list(PODS))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_file_is_used_once(folder: Path) -> None:
    described = kustomization(folder)
    used = [*described["resources"], *(patch["path"] for patch in patches(folder))]
    files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert sorted(name for name in used if not name.startswith("..")) == sorted(files)


@pytest.mark.parametrize("folder", FOLDERS[1:], ids=lambda folder: folder.name)
def test_a_patch_is_of_something_that_the_base_has(folder: Path) -> None:
    base = {(resource["kind"], resource["metadata"]["name"]) for resource in resources(K8S / "base")}
    for patch in patches(folder):
        for document in documents(folder / patch["path"]):
            assert (document["kind"], document["metadata"]["name"]) in base


def test_names_are_unique_in_what_is_applied() -> None:
    for overlay in FOLDERS[1:]:
        applied = [
            (resource["kind"], resource["metadata"]["name"])
            for folder in (K8S / "base", overlay)
            for resource in resources(folder)
        ]
        assert len(set(applied)) == len(applied)


@each_pod
def test_a_pod_is_restricted(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@each_pod
def test_a_pod_requests_what_it_uses_and_has_the_limit_of_compose(pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    limit = container["resources"]["limits"]["memory"]
    assert limit.lower().removesuffix("i") == SERVICES[container["name"]]["mem_limit"]


@each_pod
def test_a_pod_runs_the_user_and_the_image_of_compose(pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    compose = SERVICES[container["name"]]
    image = re.sub(r"\$\{IMAGE_TAG:-(.*)\}|\$\{\w+:-(.*)\}", r"\1\2", compose["image"])
    assert container["image"] == image
    user = pod["spec"]["securityContext"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == compose["user"]
    if container["name"] in ("scheduler", "consumer", "migrate", "bucket"):
        assert container["command"] == compose["command"]


def test_the_data_servers_of_the_trial_are_started_as_in_compose() -> None:
    for name, key in (("postgres", "args"), ("redis", "args"), ("s3", "command")):
        (container,) = PODS[f"StatefulSet/{name}"]["spec"]["containers"]
        command = [*SERVICES[name].get("entrypoint", []), *SERVICES[name]["command"]]
        assert container[key] == [word.replace("$$", "$") for word in command]


def test_every_process_may_be_moved_one_pod_at_a_time_and_has_time_to_end() -> None:
    budgets = {
        resource["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: resource["spec"]
        for resource in ALL
        if resource["kind"] == "PodDisruptionBudget"
    }
    assert set(budgets) == PROCESSES == {name.partition("/")[2] for name in PODS if name[:2] == "De"}
    assert all(budget["maxUnavailable"] == 1 for budget in budgets.values())
    for name in PROCESSES:
        grace_s = PODS[f"Deployment/{name}"]["spec"]["terminationGracePeriodSeconds"]
        assert grace_s >= int(SERVICES[name].get("stop_grace_period", "10s").removesuffix("s"))


@each_pod
def test_selectors_find_their_pods(pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == container["name"]


def test_settings_exist_and_secrets_are_files_that_are_there() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    patches = [documents(folder / "settings.yaml")[0] for folder in FOLDERS]
    data = {key: value for patch in patches for key, value in patch["data"].items()}
    assert {key.removesuffix("_FILE") for key in data} <= known
    files = [value for key, value in data.items() if key.endswith("_FILE")]
    assert sorted(files) == [f"/run/secrets/uptill/{name}" for name in SECRETS]
    local = {secret["name"]: secret["files"] for secret in kustomization(FOLDERS[1])["secretGenerator"]}
    assert sorted(local["uptill"]) == sorted(f"secrets/{name}" for name in (*SECRETS, *LOGINS))


@pytest.mark.parametrize("folder", [FOLDERS[0], FOLDERS[2]], ids=lambda folder: folder.name)
def test_callers_within_the_cluster_use_names_that_the_services_know(folder: Path) -> None:
    (settings,) = documents(folder / "settings.yaml")
    known = allowed_hosts(Settings(allowed_hosts=settings["data"]["UPTILL_ALLOWED_HOSTS"]))
    names = {resource["metadata"]["name"] for resource in ALL if resource["kind"] == "Service"} & PROCESSES
    assert names == {"api", "ingest"}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await Response()(scope, receive, send)

    client = TestClient(AllowedHosts(answer, known))
    for name in names:
        for host in (name, f"{name}.uptill", f"{name}.uptill.svc", f"{name}.uptill.svc.cluster.local"):
            assert client.get(f"http://{host}:8000/v1/reports").status_code == 200, host
    assert client.get("http://example.org/v1/reports").status_code == 400


PRIVATE = (
    "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "0.0.0.1", "192.0.0.170",
    "198.18.0.1", "203.0.113.9", "224.0.0.1", "255.255.255.255", "::1", "::ffff:10.1.2.3", "64:ff9b::a01:203",
    "fd00::1", "fd00:ec2::254", "fe80::1", "2001:db8::1", "2002:a01:203::1", "ff02::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "192.0.1.1", "223.255.255.254", "2606:4700:4700::1111")
PORTS = (22, 25, 80, 443, 465, 587, 1024, 2379, 5432, 6379, 6443, 8333, 9400, 10250, 65535)
OVERLAYS = pytest.mark.parametrize("overlay", FOLDERS[1:], ids=lambda folder: folder.name)


def reached(name: str, overlay: Path, address: str) -> set[int]:
    """The TCP ports of an address that a pod reaches by what all policies of an overlay open for it together."""
    labels = PODS[name]["metadata"]["labels"]
    return {
        port
        for folder in (K8S / "base", overlay)
        for policy in resources(folder)
        if policy["kind"] == "NetworkPolicy" and _selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", [])
        for port in PORTS
        if _is_reached(address, [to["ipBlock"] for to in rule["to"] if "ipBlock" in to])
        and any(one["port"] <= port <= one.get("endPort", one["port"]) for one in rule["ports"])
    }


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


@OVERLAYS
def test_no_policy_opens_a_private_network_to_any_pod(overlay: Path) -> None:
    assert not any(is_public(address) for address in PRIVATE)
    opened = {
        (name, address): ports
        for name in PODS
        for address in PRIVATE
        if (ports := reached(name, overlay, address))
    }
    assert opened == {}


@OVERLAYS
def test_only_the_scheduler_reaches_the_internet_by_more_than_https(overlay: Path) -> None:
    assert all(is_public(address) for address in PUBLIC)
    for address in PUBLIC:
        for name in PODS:
            https = (
                {443}
                if overlay.name == "production" and "uptill" in PODS[name]["metadata"]["labels"]
                else set()
            )
            https &= {443} if PODS[name]["metadata"]["labels"]["uptill"] == "process" else set()
            webhooks = (
                {443, 465, 587, *(port for port in PORTS if port > 1023)}
                if name == "Deployment/scheduler"
                else set()
            )
            assert reached(name, overlay, address) == https | webhooks, (name, address)


def test_what_is_opened_leaves_out_the_networks_that_webhooks_leave_out() -> None:
    """Each network that a policy excepts is private, and so is the address before and after none of them."""
    for policy in (one for one in ALL if one["kind"] == "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to):
                network = ipaddress.ip_network(block["cidr"])
                left_out = [ipaddress.ip_network(text) for text in block.get("except", [])]
                assert all(one.subnet_of(network) for one in left_out)  # type: ignore[arg-type] # of one version each
                assert not any(is_public(str(one[1])) for one in left_out)


def test_names_resolve_in_the_cluster_only_and_data_servers_serve_their_protocol_only() -> None:
    policies = {
        (one["metadata"]["name"], len(one["spec"].get("egress", []))): one["spec"]
        for one in ALL
        if one["kind"] == "NetworkPolicy"
    }
    [names] = policies["names", 1]["egress"]
    assert names["to"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ]
    [data] = policies["data", 0]["ingress"]
    served = {
        port["port"] for one in ALL if one["kind"] == "Service" and one["metadata"]["name"] not in PROCESSES
        for port in one["spec"]["ports"]
    }  # fmt: skip
    assert {port["port"] for port in data["ports"]} == served == {5432, 6379, 8333}


def _is_reached(address: str, blocks: list[dict[str, Any]]) -> bool:
    ip = ipaddress.ip_address(address)
    return any(
        ip in ipaddress.ip_network(block["cidr"])
        and not any(ip in ipaddress.ip_network(text) for text in block.get("except", []))
        for block in blocks
    )


@pytest.mark.parametrize(
    "name", [*(f"Deployment/{name}" for name in sorted(PROCESSES)), "Job/migrate", "Job/bucket"]
)
def test_a_pod_holds_the_secrets_that_it_uses_and_no_other_login(name: str) -> None:
    """Those of its namesake in docker-compose.yml; each finds its own login where the settings say."""
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    (secrets,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    volume = secrets_volume(SERVICES[container["name"]])
    handed_out = re.search(rf"^hand {volume} (.+)$", MAKE_SECRETS.read_text(), re.MULTILINE)
    assert handed_out is not None
    assert sorted(item["key"] for item in secrets["items"]) == sorted(handed_out[1].split())
    logins = [item for item in secrets["items"] if item["key"].endswith("database_url")]
    if name.startswith("Deployment/"):
        assert [item["path"] for item in logins] == ["database_url"]
        assert logins[0]["key"] != "database_url", "the owner's is for migrations alone"


def test_the_manifests_contain_no_secret() -> None:
    assert [resource for resource in ALL if resource["kind"] == "Secret"] == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="rendering needs kubectl")
@pytest.mark.parametrize("overlay", ["local", "production"])
def test_an_overlay_renders_to_valid_resources(overlay: str, tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    folder = tmp_path / "k8s/overlays" / overlay
    subprocess.run([ROOT / "deploy/compose/secrets.sh", folder / "secrets"], check=True, capture_output=True)
    rendered = subprocess.run(
        ["kubectl", "kustomize", folder], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout
    by_kind: dict[str, dict[str, dict[str, Any]]] = {}
    for resource in yaml.safe_load_all(rendered):
        by_kind.setdefault(resource["kind"], {})[resource["metadata"]["name"]] = resource
        assert resource["kind"] == "Namespace" or resource["metadata"]["namespace"] == "uptill"
        if resource["apiVersion"] != KEDA:
            validate(resource, VERSION, strict=True)
    assert set(by_kind["Deployment"]) >= PROCESSES
    assert f"{PREFIX}S3_ENDPOINT" in by_kind["ConfigMap"]["settings"]["data"]
    assert f"{PREFIX}DATABASE_URL_FILE" in by_kind["ConfigMap"]["settings"]["data"]
    replicas = by_kind["Deployment"]["worker"]["spec"].get("replicas")
    assert replicas == (2 if overlay == "local" else None), "the autoscaler's number is nobody else's"
