"""One compose project of its own: ports, passwords and names that no other stack on the machine has."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local.ports import free_ports
from tests.stack.command import run, succeeds
from uptill_client import UptillClient

SERVICE_IMAGES = ("api", "worker", "ingest", "postgres", "redis", "s3", "prometheus", "proxy")
_TAG = "stack"
_LABEL = "com.docker.compose.project"
_PSQL = (
    'PGPASSWORD="$(cat /run/secrets/postgres_password)" exec psql --host=127.0.0.1 --username=uptill'
    ' --dbname=uptill --tuples-only --no-align --command="$0"'
)


@dataclass(frozen=True)
class Stack:
    """`env` is what `make` and `docker compose` run with."""

    project: str
    compose: tuple[str, ...]
    api_url: str
    ingest_url: str
    prometheus_url: str
    proxy_url: str
    env: dict[str, str]

    def make(self, *arguments: str) -> str:
        """Run a target of the Makefile, as a user does."""
        return run("make", "--no-print-directory", *arguments, env=self.env)

    def run_compose(self, *arguments: str) -> str:
        """Run `docker compose` on this project."""
        return run(*self.compose, *arguments, env=self.env)

    def docker(self, *arguments: str) -> str:
        """Run `docker`."""
        return run("docker", *arguments, env=self.env)

    def containers(self, service: str | None = None, *, stopped: bool = False) -> list[str]:
        """Ids of the project's containers, or of one service's."""
        labels = [f"label={_LABEL}={self.project}"]
        if service is not None:
            labels.append(f"label=com.docker.compose.service={service}")
        filters = [argument for label in labels for argument in ("--filter", label)]
        return self.docker("ps", "--quiet", *(["--all"] if stopped else []), *filters).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        described: list[dict[str, Any]] = json.loads(self.docker("inspect", container))
        return described[0]

    def is_healthy(self, container: str) -> bool:
        """Whether the container's own check passes."""
        return bool(self.inspect(container)["State"]["Health"]["Status"] == "healthy")

    def sql(self, statement: str, service: str = "postgres") -> list[str]:
        """Lines that psql in the container of a database answers, columns parted by `|`."""
        return self.run_compose("exec", "-T", service, "sh", "-c", _PSQL, statement).splitlines()

    def secrets(self) -> set[str]:
        """Return the last word of every secret: the volumes of all services hold them."""
        script = "for file in /secrets/*/*; do tr '\\n' ' ' <$file; echo; done"
        lines = self.run_compose(
            "run", "--rm", "-T", "--entrypoint", "sh", "secrets", "-c", script
        ).splitlines()
        return {line.split()[-1] for line in lines if line.strip()}

    def client(self, key: str) -> UptillClient:
        """The API, from the host."""
        return UptillClient(self.api_url, key)

    def left_behind(self) -> list[str]:
        """Containers, volumes and networks that the project still has."""
        kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        mine = ("--quiet", "--filter", f"label={_LABEL}={self.project}")
        return [name for kind in kinds for name in self.docker(*kind, *mine).split()]

    def image_sizes(self) -> dict[str, int]:
        """Bytes of each service's image, its base included."""
        return {
            name: int(self.docker("image", "inspect", "--format", "{{.Size}}", f"uptill-{name}:{_TAG}"))
            for name in SERVICE_IMAGES
        }


def make_stack(engine: dict[str, str], base: str, given_secrets: Path) -> Stack:
    """Settle what the project is called and where it listens; starts nothing."""
    api, ingest, s3, prometheus, proxy = free_ports(5)
    compose = tuple(os.environ.get("COMPOSE", "").split()) or _compose(engine)
    project = f"uptill-stack-{os.getpid()}"
    return Stack(
        project=project,
        compose=compose,
        api_url=f"http://127.0.0.1:{api}",
        ingest_url=f"http://127.0.0.1:{ingest}",
        prometheus_url=f"http://127.0.0.1:{prometheus}",
        proxy_url=f"https://localhost:{proxy}",
        env=engine
        | {
            "COMPOSE": " ".join(compose),
            "COMPOSE_FILE": "docker-compose.yml:deploy/compose/offline.yml",
            "COMPOSE_PROJECT_NAME": project,
            "PYTHON_IMAGE": base,
            "IMAGE_TAG": _TAG,
            "BUILD_NETWORK": "host",
            "DOCKER_BUILDKIT": "0",  # Debian has no buildx
            "SECRETS_DIR": str(given_secrets),
            "API_PORT": str(api),
            "INGEST_PORT": str(ingest),
            "S3_PORT": str(s3),
            "PROMETHEUS_PORT": str(prometheus),
            "PROXY_PORT": str(proxy),
            "TLS_DIR": str(given_secrets.with_name("tls")),
            "S3_PUBLIC_ENDPOINT": f"http://localhost:{s3}",
            "WORKERS": "2",
            "BATCH_STORES": "100",
        },
    )


def _compose(engine: dict[str, str]) -> tuple[str, ...]:
    return (
        ("docker", "compose") if succeeds("docker", "compose", "version", env=engine) else ("docker-compose",)
    )
