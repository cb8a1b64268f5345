"""docker-compose.yml, its overrides, its secrets and its Dockerfile: rules that the schema does not check."""

import json
import os
import re
import shutil
import ssl
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from shared.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OVERRIDES: dict[str, dict[str, Any]] = {
    path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "deploy/compose").glob("*.yml"))
}
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
MAKE_SECRETS = ROOT / "deploy/compose/make-secrets.sh"
ONE_SHOTS = {"secrets", "migrate", "bucket", "load", "keys"}
DATA_SERVERS = {"postgres", "redis", "s3"}
OBSERVERS = {"prometheus", "grafana"}
PROXY = {"proxy"}
DOCKERFILES = sorted((ROOT / "deploy/docker").glob("*Dockerfile"))

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_stack_has_the_services_of_the_design() -> None:
    assert set(SERVICES) == ONE_SHOTS | DATA_SERVERS | OBSERVERS | PROXY | {
        *("api", "ingest", "consumer", "worker", "scheduler")
    }


@each_service
def test_a_container_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name == "secrets":  # reads a folder of the host that is closed to all but its owner, and ends
        assert service["cap_add"] == ["DAC_READ_SEARCH"]
        assert service["network_mode"] == "none"
    else:
        assert "cap_add" not in service
        assert int(service["user"].partition(":")[0]) > 0
    assert service["pids_limit"] > 0


@each_service
def test_a_container_has_a_memory_limit(name: str) -> None:
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])


@each_service
def test_a_container_has_a_health_check_or_ends_on_its_own(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOTS:
        assert service["healthcheck"] == {"disable": True}
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


@each_service
def test_a_container_waits_for_what_it_needs(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        ended = "service_completed_successfully"
        assert wait["condition"] == (ended if other in ONE_SHOTS else "service_healthy")


def test_services_start_after_the_schema_the_bucket_and_the_queue() -> None:
    for name in ("api", "worker", "scheduler"):
        assert set(SERVICES[name]["depends_on"]) == {"migrate", "bucket", "redis"}


def test_only_http_and_the_download_links_are_published_and_to_this_host_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "api": ["${API_BIND:-127.0.0.1}:${API_PORT:-8000}:8000"],
        "ingest": ["${INGEST_BIND:-127.0.0.1}:${INGEST_PORT:-8001}:8001"],
        "s3": ["${S3_BIND:-127.0.0.1}:${S3_PORT:-8333}:8333"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
        "proxy": ["${PROXY_BIND:-127.0.0.1}:${PROXY_PORT:-8443}:8443"],
    }
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["data"]
    assert STACK["networks"]["data"] == {"internal": True}
    assert not [
        name
        for override in OVERRIDES.values()
        for name, service in override["services"].items()
        if "ports" in service
    ]


@each_service
def test_an_image_is_pinned_and_can_be_replaced(name: str) -> None:
    service = SERVICES[name]
    if name in DATA_SERVERS | OBSERVERS | PROXY:
        assert _is_pinned_variable(service["image"], f"{name.upper()}_IMAGE")
    else:
        assert _is_pinned_variable(service["build"]["args"]["BASE_IMAGE"], "PYTHON_IMAGE")
        assert service["image"] == f"uptill-{service['build']['args']['SERVICE']}:${{IMAGE_TAG:-dev}}"


def test_minio_has_no_image_by_default() -> None:
    assert OVERRIDES["minio.yml"]["services"]["s3"]["image"].startswith("${S3_IMAGE:?")


def test_the_offline_images_are_built_from_the_same_base() -> None:
    offline = OVERRIDES["offline.yml"]["services"]
    assert set(offline) == DATA_SERVERS | PROXY | {"prometheus"}
    for name, service in offline.items():
        assert service["build"]["target"] == name
        assert _is_pinned_variable(service["build"]["args"]["BASE_IMAGE"], "PYTHON_IMAGE")


def test_every_setting_of_the_stack_exists() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    used = {
        key
        for service in SERVICES.values()
        for key in service.get("environment", {})
        if key.startswith(PREFIX)
    }
    assert {f"{PREFIX}DATABASE_URL_FILE", f"{PREFIX}S3_PUBLIC_ENDPOINT"} <= used
    assert {key.removesuffix("_FILE") for key in used} <= known


def test_no_file_of_the_repository_contains_a_secret() -> None:
    secret_name = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|DATABASE_URL|REDIS_URL|API_KEY|ROOT_USER")
    for stack in (STACK, *OVERRIDES.values()):
        for service in stack["services"].values():
            for key, value in service.get("environment", {}).items():
                if secret_name.search(key) and value:
                    assert key.endswith("_FILE")
                    # A variable without a default: a secret that an installation need not have.
                    assert value.startswith("/run/secrets/") or re.fullmatch(r"\$\{[A-Z_]+_FILE:-\}", value)


@each_service
def test_a_service_has_every_secret_that_it_reads(name: str, volumes: Path) -> None:
    if volume := secrets_volume(SERVICES[name]):
        read = set(re.findall(r"/run/secrets/(\w+)", json.dumps(SERVICES[name])))
        assert read <= {path.name for path in (volumes / volume).iterdir()}
        assert read
    else:
        assert "/run/secrets" not in json.dumps({**SERVICES[name], "environment": {}})


def test_minio_reads_the_keys_of_the_bucket(volumes: Path) -> None:
    minio = OVERRIDES["minio.yml"]["services"]["s3"]
    read = set(re.findall(r"/run/secrets/(\w+)", json.dumps(minio)))
    assert read == {path.name for path in (volumes / secrets_volume(minio)).iterdir()}


def test_the_volumes_of_secrets_are_filled_by_one_service_and_survive_down() -> None:
    filled = {
        volume.partition(":")[0]: volume.partition(":")[2]
        for volume in SERVICES["secrets"]["volumes"]
        if volume.startswith("secrets")
    }
    for name, service in SERVICES.items():
        if volume := secrets_volume(service):
            assert filled[f"secrets-{volume}"] == f"/secrets/{volume}", name
    assert set(filled) == {name for name in STACK["volumes"] if name.startswith("secrets")}
    assert all(STACK["volumes"][name] == {} for name in filled), "named, so `down` keeps them"


def test_secrets_are_made_once_and_not_printed(volumes: Path) -> None:
    before = _read_all(volumes)
    assert _hand_out(volumes).stdout.splitlines() == ["every service has its secrets"]
    assert _read_all(volumes) == before
    new = volumes.parent / "new"
    printed = _hand_out(_make_folders(new)).stdout
    values = {value for path, value in _read_all(new).items() if path.startswith("made/")}
    assert len(values) == 10
    assert not any(value.split()[-1] in printed for value in values)
    assert not values & set(before.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in new.glob("*/*")} == {0o444}


def test_a_secret_is_renewed_with_all_that_contains_it(volumes: Path) -> None:
    before = _read_all(volumes)
    assert _hand_out(volumes, "renew", "redis_conf", "api_database_url").returncode == 0
    after = _read_all(volumes)
    assert {path for path in before if before[path] != after[path]} == {
        *("made/redis_conf", "redis/redis_conf", "api/redis_url", "ingest/redis_url", "worker/redis_url"),
        *(f"{volume}/api_database_url" for volume in ("made", "migrate", "api", "keys")),
    }
    assert after["redis/redis_conf"].split()[1] in after["api/redis_url"]
    for refused in (["renew"], ["renew", "postgres_password"], ["renew", "x"], ["help"]):
        assert _hand_out(volumes, *refused).returncode == 2
    assert _read_all(volumes) == after


def test_an_older_installation_keeps_its_files(tmp_path: Path, secrets: Path) -> None:
    """Files of `deploy/compose/secrets` count more than what is in the volumes; a removed one is made again."""
    volumes = _make_folders(tmp_path / "volumes")
    (volumes / "given").rmdir()
    secrets.rename(volumes / "given")
    assert _hand_out(volumes).returncode == 0
    handed = _read_all(volumes)
    given = {path.name: path.read_text() for path in (volumes / "given").iterdir()}
    assert list((volumes / "made").iterdir()) == []
    assert all(value == given[path.partition("/")[2]] for path, value in handed.items())
    assert _hand_out(volumes, "renew", "redis_conf").returncode == 2
    (volumes / "given" / "api_database_url").unlink()
    assert _hand_out(volumes).returncode == 0
    changed = {path for path, value in _read_all(volumes).items() if handed.get(path, value) != value}
    assert changed == {f"{volume}/api_database_url" for volume in ("migrate", "api", "keys")}


def test_the_example_of_the_environment_has_every_variable_with_its_default() -> None:
    # The defaults are those of the last file.
    files = (*(ROOT / "deploy/compose").glob("*.yml"), ROOT / "docker-compose.yml")
    text = "".join(path.read_text() for path in files)
    used = dict(re.findall(r"\$\{([A-Z0-9_]+)(?::-([^}]*))?", text)) | {"PIP_INDEX_URL": ""}
    example = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example == used
    page = (ROOT / "docs/how-to/compose.md").read_text()
    assert not [name for name in used if f"`{name}`" not in page]


@pytest.mark.parametrize("label", ["title", "description", "version", "revision", "licenses"])
def test_the_images_carry_the_labels_of_oci(label: str) -> None:
    assert f"org.opencontainers.image.{label}=" in _dockerfile()
    assert f"ARG VERSION={version('uptill')}\n" in _dockerfile()
    assert "image.source" not in _dockerfile()


def test_secrets_fit_each_other_and_are_closed_to_the_host(secrets: Path) -> None:
    texts = {path.name: path.read_text().strip() for path in secrets.iterdir()}
    assert texts["database_url"] == f"postgresql://uptill:{texts['postgres_password']}@postgres:5432/uptill"
    logins = {
        role: urlsplit(texts[f"{role}_database_url"]) for role in ("api", "ingest", "worker", "readonly")
    }
    assert len({texts["postgres_password"], *(login.password for login in logins.values())}) == 5
    for role, login in logins.items():
        assert (login.username, login.path) == (f"uptill_{role}_login", "/uptill")
        assert f"{login.hostname}:{login.port}" == "postgres:5432"
    assert texts["readonly_password"] == logins["readonly"].password
    assert texts["redis_url"] == f"redis://:{texts['redis_conf'].removeprefix('requirepass ')}@redis:6379/0"
    (identity,) = json.loads(texts["s3_identities"])["identities"]
    assert identity["credentials"] == [
        {"accessKey": texts["s3_access_key"], "secretKey": texts["s3_secret_key"]}
    ]
    assert all(action.endswith(":uptill") for action in identity["actions"])
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_secrets_are_random_and_never_overwritten(secrets: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    (secrets / "redis_url").unlink()
    _make_secrets(secrets)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    other = tmp_path / "other"
    _make_secrets(other)
    assert not set(before.values()) & {path.read_bytes() for path in other.iterdir()}


def test_a_service_holds_the_login_of_its_role_and_no_other(volumes: Path) -> None:
    logins = {
        name: sorted(path.name for path in (volumes / volume).glob("*database_url"))
        for name, service in SERVICES.items()
        if (volume := secrets_volume(service))
    }
    assert {name: held for name, held in logins.items() if held} == {
        "migrate": [
            "api_database_url",
            "database_url",
            *(f"{role}_database_url" for role in ("ingest", "readonly", "worker")),
        ],
        "api": ["api_database_url"],
        "keys": ["api_database_url"],
        "ingest": ["ingest_database_url"],
        "load": ["ingest_database_url"],
        "consumer": ["ingest_database_url"],
        "worker": ["worker_database_url"],
        "scheduler": ["worker_database_url"],
    }
    for name, held in logins.items():
        if held:
            login = "database_url" if name == "migrate" else held[0]
            assert SERVICES[name]["environment"]["UPTILL_DATABASE_URL_FILE"] == f"/run/secrets/{login}"


def test_an_older_folder_of_secrets_gets_new_secrets(secrets: Path) -> None:
    new = [*secrets.glob("*_database_url"), secrets / "s3_grpc"]
    kept = {path.name: path.read_bytes() for path in secrets.iterdir() if path not in new}
    for path in new:
        path.unlink()
    _make_secrets(secrets)
    assert len(new) == 5
    assert all(path.is_file() for path in new)
    assert {name: (secrets / name).read_bytes() for name in kept} == kept


def test_the_parts_of_the_object_store_share_a_key(secrets: Path) -> None:
    used = {
        key: value for key, value in SERVICES["s3"]["environment"].items() if key.startswith("WEED_GRPC_")
    }
    parts = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT")
    assert set(used) == {
        "WEED_GRPC_CA",
        *(f"WEED_GRPC_{part}_{kind}" for part in parts for kind in ("CERT", "KEY")),
    }
    assert set(used.values()) == {"/run/secrets/s3_grpc"}
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(secrets / "s3_grpc")  # a key, and the certificate that is its own
    trust.load_verify_locations(secrets / "s3_grpc")


def test_workers_get_their_stop_grace() -> None:
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s == Settings.model_fields["stop_grace_s"].default + 10
    assert 'CMD ["python", "-m", "services.worker"]' in _dockerfile()
    assert "command" not in SERVICES["worker"]


def test_prometheus_finds_the_metrics_of_every_service() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    for job in scraped:
        (names,) = job["dns_sd_configs"]
        for name in names["names"]:
            assert SERVICES[name]["environment"]["UPTILL_METRICS_PORT"] == str(names["port"])
            assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert SERVICES["consumer"]["profiles"] == ["kafka"]
    assert SERVICES["prometheus"]["profiles"] == SERVICES["grafana"]["profiles"] == ["observability"]


def test_the_proxy_runs_only_if_asked_for_and_sees_no_data() -> None:
    proxy = SERVICES["proxy"]
    assert proxy["profiles"] == ["proxy"]
    assert proxy["networks"] == ["edge"]
    config = (ROOT / "deploy/nginx/nginx.conf").read_text()
    for upstream in re.findall(r"server ([a-z0-9]+:\d+);", config):
        name, _, port = upstream.partition(":")
        assert "edge" in SERVICES[name]["networks"]
        assert SERVICES[name]["ports"][0].endswith(f":{port}")
    assert f"/{SERVICES['api']['environment']['UPTILL_S3_BUCKET']}/" in config, "links lead to the bucket"
    assert "error_log stderr crit;" in config.partition("location /uptill/")[2].partition("}")[0]
    (logged,) = re.findall(r"log_format .*", config)
    assert "$request" not in logged.replace("$request_method", "").replace("$request_time", ""), "no query"


def test_redis_is_a_queue_and_not_a_cache() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    for option in ("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"):
        assert option in command


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_run_one_program_as_an_ordinary_user(path: Path) -> None:
    text = path.read_text()
    commands = re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", text, re.MULTILINE)
    assert commands
    assert all(isinstance(json.loads(command), list) for command in commands)  # the exec form is JSON
    users = re.findall(r"^USER (\d+):\d+$", text, re.MULTILINE)
    assert users
    assert all(int(user) > 0 for user in users)


@pytest.mark.parametrize("service", ["api", "worker", "ingest"])
def test_the_dockerfile_has_a_stage_with_a_health_check_for_each_service(service: str) -> None:
    stage = re.search(rf"^FROM runtime AS {service}$(.*?)^FROM ", _dockerfile(), re.MULTILINE | re.DOTALL)
    assert stage is not None
    assert re.search("^HEALTHCHECK ", stage[1], re.MULTILINE)
    assert (ROOT / f"requirements/{service}.txt").is_file()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets and, next to it, the volumes as the service `secrets` leaves them. Tests use copies."""
    root = tmp_path_factory.mktemp("made")
    _make_secrets(root / "secrets")
    assert _hand_out(_make_folders(root / "volumes")).returncode == 0
    return root


@pytest.fixture
def secrets(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "secrets", tmp_path / "secrets")


@pytest.fixture
def volumes(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "volumes", tmp_path / "volumes")


def _make_folders(root: Path) -> Path:
    for volume in SERVICES["secrets"]["volumes"]:
        (root / volume.split(":/secrets/")[1].partition(":")[0]).mkdir(parents=True)
    return root


def _hand_out(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MAKE_SECRETS, *arguments],
        env={**os.environ, "SECRETS_ROOT": str(root)},
        check=False,
        capture_output=True,
        text=True,
    )


def _read_all(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.glob("*/*")
        if path.parent.name != "given"
    }


def secrets_volume(service: dict[str, Any]) -> str:
    """The part of the name of the volume at /run/secrets that comes after `secrets-`; empty if there is none."""
    mounted = [volume for volume in service.get("volumes", []) if volume.endswith(":/run/secrets:ro")]
    assert len(mounted) <= 1
    return mounted[0].removeprefix("secrets-").partition(":")[0] if mounted else ""


def _make_secrets(folder: Path) -> None:
    subprocess.run([ROOT / "deploy/compose/secrets.sh", folder], check=True, capture_output=True)


def _dockerfile() -> str:
    return (ROOT / "deploy/docker/Dockerfile").read_text()


def _is_pinned_variable(image: str, variable: str) -> bool:
    """Whether an image reads `${VARIABLE:-name:tag}` with a tag that has at least two numbers, such as 18.4-trixie."""
    return re.fullmatch(rf"\$\{{{variable}:-[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*\}}", image) is not None


def test_the_object_store_is_healthy_only_once_it_writes_durably() -> None:
    script = SERVICES["s3"]["entrypoint"][2]
    assert "fs.configure -locationPrefix=/buckets/ -fsync -apply" in script
    assert "&& touch /tmp/syncs-writes" in script
    for server in (SERVICES["s3"], OVERRIDES["offline.yml"]["services"]["s3"]):
        assert "test -f /tmp/syncs-writes" in server["healthcheck"]["test"][-1]
