"""The base of all images where no image registry is reached: Debian with its Python, made by debootstrap."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.stack.command import CommandFailed, Environment, run, succeeds
from tests.stack.packages import install_missing

_SUITE = "trixie"  # its Python is 3.13, as in the default image
_PACKAGES = "python3,python3-venv,ca-certificates"
_TRUSTED = Path(
    "/etc/ssl/certs/ca-certificates.crt"
)  # what this machine trusts: pip in the build must reach its index
_BASE_WITHIN_S = 3600  # took more than 900 s on two cores with a load of 25
_LEFT_OUT = (
    "./dev/*",
    "./proc/*",
    "./sys/*",
    "./var/cache/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./usr/share/doc/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
)


def base_image(env: Environment) -> str:
    """Return the image that PYTHON_IMAGE names, or one made here, once for the engine."""
    if named := os.environ.get("PYTHON_IMAGE"):
        return named
    contents = f"{_SUITE} {_PACKAGES} {_LEFT_OUT}".encode() + _TRUSTED.read_bytes()
    name = f"uptill-base:{_SUITE}-{hashlib.sha256(contents).hexdigest()[:12]}"
    if succeeds("docker", "image", "inspect", name, env=env):
        print(f"base image: {name} is there")
        return name
    if os.geteuid() != 0:
        raise CommandFailed("debootstrap needs root; name an image with Python and bash as PYTHON_IMAGE")
    install_missing({"debootstrap": "debootstrap"})
    with tempfile.TemporaryDirectory(prefix="uptill-base-") as root:
        # If it is broken off, it goes on in the folder that is being removed.
        options = ("--variant=minbase", f"--include={_PACKAGES}")
        run("debootstrap", *options, _SUITE, root, _mirror(), within_s=_BASE_WITHIN_S)
        shutil.copyfile(_TRUSTED, root + str(_TRUSTED))
        _import(Path(root), name, env)
    print(f"base image: {name} made")
    return name


def _mirror() -> str:
    """The Debian mirror of this machine."""
    listed = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Label: Debian"
    )
    if not listed:
        raise CommandFailed("this machine's package sources name no Debian mirror")
    return listed.split()[0]


def _import(root: Path, name: str, env: Environment) -> None:
    left_out = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    with subprocess.Popen(
        ["tar", "--directory", str(root), *left_out, "--create", "."], stdout=subprocess.PIPE
    ) as packed:
        subprocess.run(
            ["docker", "import", "--change", 'CMD ["python3"]', "-", name],
            env=dict(os.environ) | dict(env),
            stdin=packed.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    if packed.returncode != 0:
        raise CommandFailed("tar could not pack the base image")
