"""What the running containers may do, asked of the kernel and the engine, not of the compose file."""

from tests.stack.stack import Stack

_FEWEST_SECRETS = 12
_PUBLISHED = {"api": 1, "ingest": 1, "s3": 1, "prometheus": 1, "proxy": 1}
# of the first and of the second version of control groups
_READ_PEAK = (
    "cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.peak"
)


def check_confinement(stack: Stack) -> int:
    """Check every running container; returns how many. Raises AssertionError."""
    containers = stack.containers()
    for container in containers:
        described = stack.inspect(container)
        service = described["Config"]["Labels"]["com.docker.compose.service"]
        status = dict(
            line.split(":", 1)
            for line in stack.docker("exec", container, "cat", "/proc/1/status").splitlines()
            if ":" in line
        )
        assert int(status["Uid"].split()[0]) > 0, f"{service} runs as root"
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, f"{service} has capabilities: {kind} {status[kind]}"
        assert status["NoNewPrivs"].strip() == "1", f"{service} may gain privileges"
        assert status["Seccomp"].strip() == "2", f"{service} has no system call filter"
        host = described["HostConfig"]
        assert host["ReadonlyRootfs"], f"{service} may write to its image"
        assert host["Memory"] > 0, f"{service} may use all memory"
        bound = [port for ports in host["PortBindings"].values() for port in ports or []]
        assert len(bound) == _PUBLISHED.get(service, 0), f"{service} publishes {bound}"
        assert all(port["HostIp"] == "127.0.0.1" for port in bound), f"{service} publishes {bound}"
    return len(containers)


def database_users(stack: Stack) -> set[str]:
    """Who has a session with the database, of the services that run."""
    return set(
        stack.sql("select distinct usename from pg_stat_activity where application_name like 'uptill-%'")
    )


def memory_peaks(stack: Stack) -> dict[str, int]:
    """The most memory that a container of each service has used, in bytes, its page cache included."""
    peaks: dict[str, int] = {}
    for container in stack.containers():
        service = stack.inspect(container)["Config"]["Labels"]["com.docker.compose.service"]
        peak = int(stack.docker("exec", container, "sh", "-c", _READ_PEAK))
        peaks[service] = max(peak, peaks.get(service, 0))
    return peaks


def check_logs(stack: Stack, links: list[str]) -> int:
    """Check that no secret and no link's signature was logged; returns the number of log lines."""
    logs = stack.run_compose("logs", "--no-color")
    secrets = sorted(stack.secrets())
    assert len(secrets) >= _FEWEST_SECRETS, "the secrets were not found"
    secrets += [link.partition("X-Amz-Signature=")[2][:64] for link in links]
    for secret in secrets:
        assert secret, "nothing to look for"
        assert secret not in logs, "a secret stands in the logs"
    return len(logs.splitlines())
